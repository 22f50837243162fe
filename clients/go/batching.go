package main

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	pointsv1 "example.com/points/gen/points/v1"
)

const (
	batchMaxOps   = 1_000
	batchMaxBytes = 1_000_000
	// No valid operation is larger: one that is goes alone, so that its own RPC refuses it.
	operationMaxBytes = 16_384
)

// withBatching is group commit on the client's side: it coalesces mutations that are in flight at
// once into ApplyBatch. There is no timer: calls that arrive while a batch is under way are the next
// batch, and a lone call is sent as it is. One batch is under way at a time, which keeps the order of
// a user's calls.
//
// Each call keeps its answer, its error and its context. It needs a request_id: gRPC may repeat the
// batch. gRPC does not repeat an operation that is refused inside the answer of a batch. Calls with
// metadata or call options of their own bypass the batches.
func withBatching() grpc.DialOption {
	return grpc.WithUnaryInterceptor((&batcher{}).intercept)
}

type batcher struct {
	mutex   sync.Mutex
	waiting []*batchedCall
	busy    bool
}

type batchedCall struct {
	ctx       context.Context
	operation *pointsv1.Operation
	bytes     int
	// Sends the call by its own RPC.
	alone func(reply proto.Message) error
	// An empty message of the answer's type.
	reply proto.Message
	done  chan batchedResult
}

type batchedResult struct {
	answer proto.Message
	err    error
}

func (b *batcher) intercept(ctx context.Context, method string, req, reply any,
	connection *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	operation, request := operationOf(req)
	if operation == nil || !isPlain(ctx, options) {
		return invoke(ctx, method, req, reply, connection, options...)
	}
	answer := reply.(proto.Message)
	call := &batchedCall{
		ctx:       ctx,
		operation: operation,
		bytes:     proto.Size(operation) + 4,
		alone: func(reply proto.Message) error {
			return invoke(ctx, method, request, reply, connection, options...)
		},
		reply: answer.ProtoReflect().New().Interface(),
		done:  make(chan batchedResult, 1),
	}
	b.add(call, func(ctx context.Context, batch *pointsv1.ApplyBatchRequest) (*pointsv1.ApplyBatchResponse, error) {
		results := &pointsv1.ApplyBatchResponse{}
		return results, invoke(ctx, pointsv1.PointsService_ApplyBatch_FullMethodName, batch, results, connection)
	})
	select {
	case result := <-call.done:
		if result.err == nil {
			proto.Merge(answer, result.answer)
		}
		return result.err
	case <-ctx.Done():
		return status.FromContextError(ctx.Err()).Err()
	}
}

type applyBatch func(context.Context, *pointsv1.ApplyBatchRequest) (*pointsv1.ApplyBatchResponse, error)

func (b *batcher) add(call *batchedCall, send applyBatch) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.waiting = append(b.waiting, call)
	if !b.busy {
		b.busy = true
		go b.work(send)
	}
}

func (b *batcher) work(send applyBatch) {
	for {
		calls := b.take()
		switch len(calls) {
		case 0:
			return
		case 1:
			sendAlone(calls[0])
		default:
			sendTogether(calls, send)
		}
	}
}

// take removes the next batch from the queue. Its calls share a deadline, that of the longest: so
// calls without one, whose deadline the server sets, are in batches of their own.
func (b *batcher) take() (calls []*batchedCall) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	bytes, taken := 0, 0
	for ; taken < len(b.waiting); taken++ {
		call := b.waiting[taken]
		if call.ctx.Err() != nil {
			continue
		}
		if len(calls) > 0 {
			first := calls[0]
			isFull := len(calls) == batchMaxOps || bytes+call.bytes > batchMaxBytes
			isLarge := max(first.bytes, call.bytes) > operationMaxBytes
			if isFull || isLarge || hasDeadline(first) != hasDeadline(call) {
				break
			}
		}
		bytes += call.bytes
		calls = append(calls, call)
	}
	b.waiting = b.waiting[taken:]
	b.busy = len(calls) > 0
	return calls
}

func sendAlone(call *batchedCall) {
	err := call.alone(call.reply)
	call.done <- batchedResult{call.reply, err}
}

func sendTogether(calls []*batchedCall, send applyBatch) {
	batch := &pointsv1.ApplyBatchRequest{}
	for _, call := range calls {
		batch.Operations = append(batch.Operations, call.operation)
	}
	ctx, cancel := contextOf(calls)
	defer cancel()
	answer, err := send(ctx, batch)
	for i, call := range calls {
		// It says something of ApplyBatch: the call's own RPC is refused in other words.
		if status.Code(err) == codes.PermissionDenied {
			sendAlone(call)
		} else if err != nil {
			call.done <- batchedResult{err: err}
		} else {
			call.done <- resultOf(answer.Results, i)
		}
	}
}

// contextOf ends with the last of the calls' contexts.
func contextOf(calls []*batchedCall) (context.Context, context.CancelFunc) {
	var latest time.Time
	for _, call := range calls {
		if deadline, ok := call.ctx.Deadline(); ok && deadline.After(latest) {
			latest = deadline
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	if !latest.IsZero() {
		cancel()
		ctx, cancel = context.WithDeadline(context.Background(), latest)
	}
	go func() {
		for _, call := range calls {
			select {
			case <-call.ctx.Done():
			case <-ctx.Done():
				return
			}
		}
		cancel()
	}()
	return ctx, cancel
}

func resultOf(results []*pointsv1.OperationResult, index int) batchedResult {
	if index < len(results) {
		result := results[index].ProtoReflect()
		oneof := result.Descriptor().Oneofs().ByName("result")
		if field := result.WhichOneof(oneof); field != nil {
			if field.Name() == "error" {
				return batchedResult{err: status.FromProto(results[index].GetError()).Err()}
			}
			return batchedResult{answer: result.Get(field).Message().Interface()}
		}
	}
	return batchedResult{err: status.Error(codes.Internal, "the answer lacks a result")}
}

// operationOf copies a request, and makes it an operation; nil if ApplyBatch cannot carry it.
func operationOf(request any) (*pointsv1.Operation, proto.Message) {
	message, ok := request.(proto.Message)
	if !ok {
		return nil, nil
	}
	operation := &pointsv1.Operation{}
	fields := operation.ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		if field := fields.Get(i); field.Message() == message.ProtoReflect().Descriptor() {
			copied := proto.Clone(message)
			operation.ProtoReflect().Set(field, protoreflect.ValueOfMessage(copied.ProtoReflect()))
			return operation, copied
		}
	}
	return nil, nil
}

func isPlain(ctx context.Context, options []grpc.CallOption) bool {
	for _, option := range options {
		if _, ok := option.(grpc.StaticMethodCallOption); !ok {
			return false
		}
	}
	_, hasMetadata := metadata.FromOutgoingContext(ctx)
	return !hasMetadata
}

func hasDeadline(call *batchedCall) bool {
	_, ok := call.ctx.Deadline()
	return ok
}
