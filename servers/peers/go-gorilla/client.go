package main

import (
	"log"
	"net/http"
	"time"

	"github.com/gorilla/websocket"
)

const (
	// queueSize is how many messages may wait for one client; one more, and it is dropped.
	queueSize = 256
	// writeWait is how long one message may take to be handed to the kernel before the client is given up.
	writeWait = 10 * time.Second
	// pongWait is how long a client may be silent. Pings go out a little sooner, and a client answers them by itself.
	pongWait   = 60 * time.Second
	pingPeriod = pongWait * 9 / 10
	// maxMessageSize bounds what a client may send, bytes; a longer message ends the connection with close code 1009.
	maxMessageSize = 64 << 10
)

var upgrader = websocket.Upgrader{ReadBufferSize: 1024, WriteBufferSize: 1024}

// Client stands between one WebSocket connection and the hub.
type Client struct {
	hub  *Hub
	conn *websocket.Conn
	// send is the queue of outbound messages. Only the hub writes to it, and only the hub closes it.
	send chan []byte
}

// serveClient upgrades a request and starts the two pumps of its connection.
//
// The handshake is answered before the hub knows the client, so a message that is published in between is not for it.
func serveClient(hub *Hub, w http.ResponseWriter, r *http.Request) {
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		log.Print("no WebSocket: ", err)
		return
	}
	client := &Client{hub: hub, conn: conn, send: make(chan []byte, queueSize)}
	hub.register <- client
	go client.writePump()
	go client.readPump()
}

// readPump passes what the client says on to the hub. It is the only reader of the connection.
func (c *Client) readPump() {
	defer func() {
		c.hub.unregister <- c
		c.conn.Close()
	}()
	c.conn.SetReadLimit(maxMessageSize)
	_ = c.conn.SetReadDeadline(time.Now().Add(pongWait))
	c.conn.SetPongHandler(func(string) error {
		return c.conn.SetReadDeadline(time.Now().Add(pongWait))
	})
	for {
		_, message, err := c.conn.ReadMessage()
		if err != nil {
			if websocket.IsUnexpectedCloseError(err, websocket.CloseNormalClosure, websocket.CloseGoingAway) {
				log.Print("connection ended: ", err)
			}
			return
		}
		c.hub.broadcast <- message
	}
}

// writePump writes the queue to the connection, one message per frame. It is the only writer.
func (c *Client) writePump() {
	ticker := time.NewTicker(pingPeriod)
	defer func() {
		ticker.Stop()
		c.conn.Close()
	}()
	for {
		select {
		case message, open := <-c.send:
			_ = c.conn.SetWriteDeadline(time.Now().Add(writeWait))
			if !open {
				_ = c.conn.WriteMessage(websocket.CloseMessage, nil)
				return
			}
			if err := c.conn.WriteMessage(websocket.TextMessage, message); err != nil {
				return
			}
		case <-ticker.C:
			_ = c.conn.SetWriteDeadline(time.Now().Add(writeWait))
			if err := c.conn.WriteMessage(websocket.PingMessage, nil); err != nil {
				return
			}
		}
	}
}
