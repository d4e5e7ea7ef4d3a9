package main

import (
	"log"
	"sync/atomic"
)

// Hub maintains the clients of one topic and sends each message to all of them.
//
// Its goroutine alone touches the set of clients; everybody else talks to it through the three channels.
type Hub struct {
	topic      string
	clients    map[*Client]bool
	broadcast  chan []byte
	register   chan *Client
	unregister chan *Client
	// dropped counts the clients whose queue was full, over the life of the hub.
	dropped atomic.Uint64
}

func newHub(topic string) *Hub {
	return &Hub{
		topic:      topic,
		clients:    make(map[*Client]bool),
		broadcast:  make(chan []byte),
		register:   make(chan *Client),
		unregister: make(chan *Client),
	}
}

func (h *Hub) run() {
	for {
		select {
		case client := <-h.register:
			h.clients[client] = true
		case client := <-h.unregister:
			h.remove(client)
		case message := <-h.broadcast:
			for client := range h.clients {
				h.offer(client, message)
			}
		}
	}
}

// offer puts a message into a client's queue. A client whose queue is full does not keep up, and is dropped: one that is
// slow must not hold up the others, and a queue without a bound would hold up everybody once memory runs out.
func (h *Hub) offer(client *Client, message []byte) {
	select {
	case client.send <- message:
	default:
		h.remove(client)
		log.Printf("dropped %s of topic %s: %d messages wait for it", client.conn.RemoteAddr(), h.topic, cap(client.send))
		h.dropped.Add(1)
	}
}

// remove forgets a client and ends its write pump, which closes the connection.
func (h *Hub) remove(client *Client) {
	if h.clients[client] {
		delete(h.clients, client)
		close(client.send)
	}
}
