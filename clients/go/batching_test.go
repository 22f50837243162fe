package main

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	pointsv1 "example.com/points/gen/points/v1"
)

// ledger answers as Points does, of one balance: entries are numbered in the order of the calls.
type ledger struct {
	pointsv1.UnimplementedPointsServiceServer
	mutex    sync.Mutex
	sequence int64
	batches  []int
	// Received from before a call is answered, if there is one.
	gate chan struct{}
}

func (l *ledger) consume(request *pointsv1.ConsumeRequest) (*pointsv1.ConsumeResponse, error) {
	if request.GetPoints() > 1_000 {
		return nil, status.Error(codes.FailedPrecondition, "too few points")
	}
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.sequence++
	entry := &pointsv1.Entry{Sequence: l.sequence, RequestId: request.RequestId}
	return &pointsv1.ConsumeResponse{Entry: entry}, nil
}

func (l *ledger) Consume(_ context.Context, request *pointsv1.ConsumeRequest) (*pointsv1.ConsumeResponse, error) {
	if l.gate != nil {
		<-l.gate
	}
	return l.consume(request)
}

func (l *ledger) ApplyBatch(_ context.Context, request *pointsv1.ApplyBatchRequest) (*pointsv1.ApplyBatchResponse, error) {
	if l.gate != nil {
		<-l.gate
	}
	l.mutex.Lock()
	l.batches = append(l.batches, len(request.Operations))
	l.mutex.Unlock()
	response := &pointsv1.ApplyBatchResponse{}
	for _, operation := range request.Operations {
		result := &pointsv1.OperationResult{}
		if answer, err := l.consume(operation.GetConsume()); err != nil {
			result.Result = &pointsv1.OperationResult_Error{Error: status.Convert(err).Proto()}
		} else {
			result.Result = &pointsv1.OperationResult_Consume{Consume: answer}
		}
		response.Results = append(response.Results, result)
	}
	return response, nil
}

func batchingClient(t *testing.T, served *ledger) pointsv1.PointsServiceClient {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	pointsv1.RegisterPointsServiceServer(server, served)
	go server.Serve(listener)
	t.Cleanup(server.Stop)
	connection, err := grpc.NewClient(listener.Addr().String(),
		grpc.WithTransportCredentials(insecure.NewCredentials()), withBatching())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { connection.Close() })
	return pointsv1.NewPointsServiceClient(connection)
}

func consumeOf(points int64, id string) *pointsv1.ConsumeRequest {
	return &pointsv1.ConsumeRequest{
		UserId: "ada", RequestId: id, Cost: &pointsv1.ConsumeRequest_Points{Points: points},
	}
}

func TestCallsInFlightShareBatches(t *testing.T) {
	served := &ledger{}
	client := batchingClient(t, served)
	var calls sync.WaitGroup
	var failed atomic.Int64
	for i := range 2_000 {
		calls.Go(func() {
			id := fmt.Sprintf("job-%d", i)
			answer, err := client.Consume(context.Background(), consumeOf(1, id))
			if err != nil || answer.Entry.RequestId != id {
				failed.Add(1)
			}
		})
	}
	calls.Wait()
	if failed.Load() != 0 || served.sequence != 2_000 {
		t.Fatalf("%d calls failed, %d were applied", failed.Load(), served.sequence)
	}
	if len(served.batches) == 0 || len(served.batches) > 1_000 {
		t.Fatalf("%d batches", len(served.batches))
	}
}

func TestACallKeepsItsErrorItsContextAndItsPlace(t *testing.T) {
	served := &ledger{gate: make(chan struct{})}
	client := batchingClient(t, served)
	type ended struct {
		sequence int64
		err      error
	}
	begin := func(ctx context.Context, points int64) chan ended {
		done := make(chan ended, 1)
		go func() {
			answer, err := client.Consume(ctx, consumeOf(points, fmt.Sprint(points)))
			done <- ended{answer.GetEntry().GetSequence(), err}
		}()
		time.Sleep(50 * time.Millisecond) // So that the next comes after it.
		return done
	}
	ctx := context.Background()
	first := begin(ctx, 1)
	second := begin(ctx, 2)
	refused := begin(ctx, 5_000)
	short, cancel := context.WithCancel(ctx)
	cancelled := begin(short, 3)
	third := begin(ctx, 4)
	cancel()
	if end := <-cancelled; status.Code(end.err) != codes.Canceled {
		t.Fatalf("cancelled: %v", end.err)
	}
	close(served.gate)
	for want, done := range []chan ended{first, second, third} {
		if end := <-done; end.err != nil || end.sequence != int64(want+1) {
			t.Fatalf("call %d: entry %d, %v", want+1, end.sequence, end.err)
		}
	}
	if end := <-refused; status.Code(end.err) != codes.FailedPrecondition {
		t.Fatalf("refused: %v", end.err)
	}
	if len(served.batches) != 1 || served.batches[0] != 3 {
		t.Fatalf("batches of %v", served.batches)
	}
}
