// Makes calls with grpc-go and prints the outcome of each as JSON: see ../call.py.
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

type call struct {
	Path     string
	Request  []byte
	Metadata map[string]string
}

type outcome struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Details []byte `json:"details"`
}

// A codec for messages that are bytes already.
type raw struct{}

func (raw) Name() string                  { return "proto" }
func (raw) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }
func (raw) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = data
	return nil
}

func main() {
	var asked struct {
		Address string
		Calls   []call
	}
	must(json.NewDecoder(os.Stdin).Decode(&asked))
	connection, err := grpc.NewClient(asked.Address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(raw{})))
	must(err)
	outcomes := []outcome{}
	for _, each := range asked.Calls {
		outcomes = append(outcomes, invoke(connection, each))
	}
	must(json.NewEncoder(os.Stdout).Encode(outcomes))
}

func invoke(connection *grpc.ClientConn, call call) outcome {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	ctx = metadata.NewOutgoingContext(ctx, metadata.New(call.Metadata))
	var answer []byte
	told := status.Convert(connection.Invoke(ctx, call.Path, &call.Request, &answer))
	details := []byte{}
	if len(told.Proto().GetDetails()) > 0 {
		var err error
		details, err = proto.Marshal(told.Proto())
		must(err)
	}
	return outcome{told.Code().String(), told.Message(), details}
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
