package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pointsv1 "example.com/points/gen/points/v1"
)

const topUpPoints = 50

// topUps tops up each account that falls below the number of its alert "low".
type topUps struct {
	client client
	// It goes on from the cursor in this file; without the file it begins now.
	cursorFile   string
	userIDPrefix string
}

// all yields what each message led to, once its cursor is stored: mostly nothing, at least every
// second.
//
// If the server or its database goes away, it begins again where the file says. What it did since
// changes nothing then: topUp's request ids are the same.
func (t topUps) all(ctx context.Context) iter.Seq2[[]*pointsv1.RechargeResponse, error] {
	return func(yield func([]*pointsv1.RechargeResponse, error) bool) {
		for {
			err := t.follow(ctx, yield)
			if err == nil {
				return
			}
			if status.Code(err) != codes.Unavailable {
				yield(nil, err)
				return
			}
			time.Sleep(time.Second)
		}
	}
}

// follow reads the stream until it breaks, or until its reader wants no more: then err is nil.
func (t topUps) follow(ctx context.Context, yield func([]*pointsv1.RechargeResponse, error) bool) error {
	cursor, err := os.ReadFile(t.cursorFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	// Ends the stream, which has no deadline.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	request := &pointsv1.StreamEntriesRequest{Cursor: string(cursor), UserIdPrefix: t.userIDPrefix}
	stream, err := t.client.ledger.StreamEntries(ctx, request)
	if err != nil {
		return err
	}
	for {
		message, err := stream.Recv()
		if err != nil {
			return err
		}
		var answers []*pointsv1.RechargeResponse
		for _, entry := range message.Entries {
			if slices.Contains(entry.Alerts, "low") {
				answer, err := topUp(ctx, t.client.points, entry)
				if err != nil {
					return err
				}
				answers = append(answers, answer)
			}
		}
		if err := store(t.cursorFile, message.Cursor); err != nil {
			return err
		}
		if !yield(answers, nil) {
			return nil
		}
	}
}

// topUp recharges the account of an entry. The request id is made from the entry, so that the same
// entry again changes nothing. The hash is part of it, since a failover may lose an entry and give
// its number to another one.
func topUp(ctx context.Context, points pointsv1.PointsServiceClient, entry *pointsv1.Entry) (*pointsv1.RechargeResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return points.Recharge(ctx, &pointsv1.RechargeRequest{
		UserId:    entry.UserId,
		RequestId: fmt.Sprintf("topup-%d-%s", entry.Sequence, hex.EncodeToString(entry.Hash[:8])),
		Points:    topUpPoints,
	})
}

// store replaces the file by renaming, so that there is no half of it after a crash.
func store(cursorFile, cursor string) error {
	file, err := os.Create(cursorFile + ".new")
	if err != nil {
		return err
	}
	_, err = file.WriteString(cursor)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), cursorFile)
}
