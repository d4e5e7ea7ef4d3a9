// Serves one chat room per topic with gorilla/websocket: a hub with channels, two pumps per client.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// shutdownWait is how long publishes that are under way may take to end once the server was told to stop.
const shutdownWait = 2 * time.Second

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address to listen on; port 0 takes a free one")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "error: `%s` is not expected: this program takes flags only\n", flag.Arg(0))
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := context.WithCancel(context.Background())
	// To the end of the process: a signal that is on its way when nobody listens for it any more would kill it.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	go func() {
		<-signals
		stop()
	}()
	go func() {
		// Whoever started this server holds the other end of its standard input, and is gone when that ends.
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	if err := run(ctx, *listen); err != nil {
		log.Fatal("error: ", err)
	}
}

// run serves on address until ctx is done. Sockets that have been upgraded end with the process.
func run(ctx context.Context, address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("cannot listen on %s: %w", address, err)
	}
	server := &http.Server{Handler: newRooms(), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		<-ctx.Done()
		wait, cancel := context.WithTimeout(context.Background(), shutdownWait)
		defer cancel()
		_ = server.Shutdown(wait)
	}()
	fmt.Printf("listening on http://%s\n", listener.Addr())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
