// Plays the scenario of all clients against a running Points server:
//
//	go run . [HOST:PORT]
package main

import (
	"context"
	"fmt"
	"os"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	address := "127.0.0.1:50051"
	if len(os.Args) > 1 {
		address = os.Args[1]
	}
	client, err := dial(address, os.Getenv("POINTS_TOKEN"))
	if err != nil {
		return err
	}
	defer client.connection.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return playScenario(ctx, client)
}
