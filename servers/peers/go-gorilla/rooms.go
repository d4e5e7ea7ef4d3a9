package main

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
)

// maxTopics bounds the hubs, which are kept for as long as the server runs; a further topic is answered with 503.
const maxTopics = 20_000

// Rooms finds the hub of a topic: `POST /topics/{topic}` publishes, `GET /topics/{topic}/ws` subscribes.
type Rooms struct {
	mutex sync.RWMutex
	hubs  map[string]*Hub
}

func newRooms() *Rooms {
	return &Rooms{hubs: make(map[string]*Hub)}
}

// hub returns the hub of a topic, starting it if it is the first time that the topic is named; nil once there are maxTopics.
func (rooms *Rooms) hub(topic string) *Hub {
	rooms.mutex.RLock()
	hub, found := rooms.hubs[topic]
	rooms.mutex.RUnlock()
	if found {
		return hub
	}
	rooms.mutex.Lock()
	defer rooms.mutex.Unlock()
	if hub, found = rooms.hubs[topic]; !found {
		if len(rooms.hubs) == maxTopics {
			return nil
		}
		hub = newHub(topic)
		rooms.hubs[topic] = hub
		go hub.run()
	}
	return hub
}

// ServeHTTP leads a request to its topic.
func (rooms *Rooms) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	topic, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/topics/"), "/")
	if !strings.HasPrefix(r.URL.Path, "/topics/") || topic == "" || (rest != "" && rest != "ws") {
		http.Error(w, "expected POST /topics/{topic} or GET /topics/{topic}/ws", http.StatusNotFound)
		return
	}
	if rest == "" && r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "publish to this path with POST", http.StatusMethodNotAllowed)
		return
	}
	hub := rooms.hub(topic)
	switch {
	case hub == nil:
		http.Error(w, "this server holds no more topics", http.StatusServiceUnavailable)
	case rest == "ws":
		serveClient(hub, w, r)
	default:
		publish(hub, w, r)
	}
}

// publish hands the body to the hub as it is. The answer says that the hub has taken it, not that clients have received it.
func publish(hub *Hub, w http.ResponseWriter, r *http.Request) {
	message, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxMessageSize))
	var tooLong *http.MaxBytesError
	if errors.As(err, &tooLong) {
		http.Error(w, "a message has at most 64 KiB", http.StatusRequestEntityTooLarge)
		return
	}
	if err != nil {
		return // The publisher is gone, and nobody reads an answer.
	}
	hub.broadcast <- message
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(map[string]any{"topic": hub.topic, "dropped": hub.dropped.Load()})
}
