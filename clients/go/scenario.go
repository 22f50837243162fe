package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	pointsv1 "example.com/points/gen/points/v1"
)

// playScenario plays what every client in clients/ plays, and prints the lines of
// clients/scenario.txt.
func playScenario(ctx context.Context, client client) error {
	userID := fmt.Sprintf("go-%d", time.Now().UnixNano())
	for _, play := range []func(context.Context, pointsv1.PointsServiceClient, string) error{
		recharge, consumeTwice, beRefused, freezeAndSettle, settleInParts, readStatement,
		watchUntilDeadline, apply,
	} {
		if err := play(ctx, client.points, userID); err != nil {
			return err
		}
	}
	if err := topUpOnce(ctx, client, userID); err != nil {
		return err
	}
	return verify(ctx, client.points, userID)
}

func recharge(ctx context.Context, points pointsv1.PointsServiceClient, userID string) error {
	made, err := points.GetOrCreate(ctx, &pointsv1.GetOrCreateRequest{UserId: userID})
	if err != nil {
		return err
	}
	fmt.Printf("create: created %t, balance %d\n", made.Created, made.Account.Balance)

	answer, err := points.Recharge(ctx, &pointsv1.RechargeRequest{
		UserId:     userID,
		RequestId:  "order-1",
		Points:     100,
		Expiration: &pointsv1.RechargeRequest_Ttl{Ttl: durationpb.New(30 * 24 * time.Hour)},
	})
	if err != nil {
		return err
	}
	entry := answer.Entry
	life := entry.ExpireTime.AsTime().Sub(entry.CreateTime.AsTime())
	fmt.Printf("recharge: lot %d of %d for %g days, balance %d\n",
		entry.Sequence, entry.Points, life.Hours()/24, answer.Account.Balance)
	return nil
}

func consumeTwice(ctx context.Context, points pointsv1.PointsServiceClient, userID string) error {
	for _, step := range []string{"consume", "retry"} {
		answer, err := points.Consume(ctx, &pointsv1.ConsumeRequest{
			UserId:    userID,
			RequestId: "job-1",
			Cost:      &pointsv1.ConsumeRequest_Points{Points: 30},
			Metadata:  map[string]string{"for": "script", "by": "Zoë"},
		})
		if err != nil {
			return err
		}
		fmt.Printf("%s: entry %d of %d, balance %d, replayed %t\n", step,
			answer.Entry.Sequence, answer.Entry.Points, answer.Account.Balance, answer.Replayed)
	}
	return nil
}

func beRefused(ctx context.Context, points pointsv1.PointsServiceClient, userID string) error {
	_, err := points.Consume(ctx, &pointsv1.ConsumeRequest{
		UserId:    userID,
		RequestId: "job-2",
		Cost:      &pointsv1.ConsumeRequest_Points{Points: 1000},
	})
	refusal, ok := readInsufficientPoints(err)
	if !ok || refusal.balance+refusal.shortfall != refusal.required {
		return fmt.Errorf("not refused for want of points: %w", err)
	}
	info := errorInfo(status.Convert(err))
	fmt.Printf("refused: %s, %s, %s\n", info.Reason, refusal, info.Metadata["outcome"])
	return nil
}

func freezeAndSettle(ctx context.Context, points pointsv1.PointsServiceClient, userID string) error {
	frozen, err := points.Freeze(ctx, &pointsv1.FreezeRequest{
		UserId:    userID,
		RequestId: "job-3",
		Cost:      &pointsv1.FreezeRequest_Points{Points: 50},
	})
	if err != nil {
		return err
	}
	fmt.Printf("freeze: hold %d, balance %d, frozen %d\n",
		frozen.Hold.Number, frozen.Account.Balance, frozen.Account.Frozen)

	settled, err := points.Settle(ctx, &pointsv1.SettleRequest{
		UserId:    userID,
		RequestId: "job-3-done",
		Hold:      frozen.Hold.Number,
		Cost:      &pointsv1.SettleRequest_Points{Points: 45},
	})
	if err != nil {
		return err
	}
	fmt.Printf("settle: %d spent, %d returned, balance %d, frozen %d\n", settled.Entry.Points,
		settled.Entry.Returned, settled.Account.Balance, settled.Account.Frozen)
	return nil
}

func settleInParts(ctx context.Context, points pointsv1.PointsServiceClient, userID string) error {
	frozen, err := points.Freeze(ctx, &pointsv1.FreezeRequest{
		UserId:    userID,
		RequestId: "job-4",
		Cost:      &pointsv1.FreezeRequest_Points{Points: 10},
	})
	if err != nil {
		return err
	}
	hold := frozen.Hold.Number
	part, err := points.Settle(ctx, &pointsv1.SettleRequest{
		UserId:    userID,
		RequestId: "job-4-part",
		Hold:      hold,
		Cost:      &pointsv1.SettleRequest_Points{Points: 4},
		KeepOpen:  true,
	})
	if err != nil {
		return err
	}
	extended, err := points.ExtendHold(ctx, &pointsv1.ExtendHoldRequest{
		UserId:    userID,
		RequestId: "job-4-more",
		Hold:      hold,
		More:      &pointsv1.ExtendHoldRequest_Points{Points: 5},
	})
	if err != nil {
		return err
	}
	settled, err := points.Settle(ctx, &pointsv1.SettleRequest{
		UserId:    userID,
		RequestId: "job-4-done",
		Hold:      hold,
	})
	if err != nil {
		return err
	}
	fmt.Printf("parts: %d spent, kept open %t, extended to %d, %d spent, balance %d, frozen %d\n",
		part.Entry.Points, part.Entry.KeptOpen, extended.Hold.Points, settled.Entry.Points,
		settled.Account.Balance, settled.Account.Frozen)
	return nil
}

func readStatement(ctx context.Context, points pointsv1.PointsServiceClient, userID string) error {
	page, err := points.ListEntries(ctx, &pointsv1.ListEntriesRequest{UserId: userID, PageSize: 3})
	if err != nil {
		return err
	}
	lines := make([]string, len(page.Entries))
	for i, entry := range page.Entries {
		kind := strings.TrimPrefix(entry.Kind.String(), "ENTRY_KIND_")
		lines[i] = fmt.Sprintf("%d %s %d", entry.Sequence, kind, entry.Points)
	}
	fmt.Printf("statement: %s, more %t\n", strings.Join(lines, ", "), page.NextPageToken != "")
	return nil
}

func watchUntilDeadline(ctx context.Context, points pointsv1.PointsServiceClient, userID string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	stream, err := points.WatchAccount(ctx, &pointsv1.WatchAccountRequest{UserId: userID})
	for err == nil {
		var shown *pointsv1.WatchAccountResponse
		if shown, err = stream.Recv(); err == nil {
			fmt.Printf("watch: balance %d\n", shown.Account.Balance)
		}
	}
	if status.Code(err) != codes.DeadlineExceeded {
		return fmt.Errorf("the stream did not end with its deadline: %w", err)
	}
	fmt.Println("deadline: DEADLINE_EXCEEDED")
	return nil
}

func apply(ctx context.Context, points pointsv1.PointsServiceClient, userID string) error {
	stream, err := points.Apply(ctx)
	if err != nil {
		return err
	}
	for _, request := range operations(userID) {
		if err := stream.Send(request); err != nil {
			return err
		}
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	var told []string
	for {
		answer, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		told = append(told, answer.Tag+" "+resultText(answer.Result))
	}
	fmt.Printf("apply: %s\n", strings.Join(told, ", "))
	return nil
}

func operations(userID string) []*pointsv1.ApplyRequest {
	return []*pointsv1.ApplyRequest{
		{Tag: "a", Operation: &pointsv1.Operation{Operation: &pointsv1.Operation_Recharge{
			Recharge: &pointsv1.RechargeRequest{UserId: userID, RequestId: "apply-a", Points: 10},
		}}},
		{Tag: "b", Operation: &pointsv1.Operation{Operation: &pointsv1.Operation_Consume{
			Consume: &pointsv1.ConsumeRequest{
				UserId:    userID,
				RequestId: "apply-b",
				Cost:      &pointsv1.ConsumeRequest_Points{Points: 5},
			},
		}}},
		{Tag: "c", Operation: &pointsv1.Operation{Operation: &pointsv1.Operation_Release{
			Release: &pointsv1.ReleaseRequest{UserId: userID, RequestId: "apply-c", Hold: 99},
		}}},
	}
}

func resultText(result *pointsv1.OperationResult) string {
	switch result := result.Result.(type) {
	case *pointsv1.OperationResult_Recharge:
		return fmt.Sprintf("balance %d", result.Recharge.Account.Balance)
	case *pointsv1.OperationResult_Consume:
		return fmt.Sprintf("balance %d", result.Consume.Account.Balance)
	case *pointsv1.OperationResult_Error:
		return errorInfo(status.FromProto(result.Error)).GetReason()
	default:
		return fmt.Sprintf("unexpected %T", result)
	}
}

// topUpOnce runs two consumers. As after a crash before its cursor was stored, the second one begins
// where the first one did.
func topUpOnce(ctx context.Context, client client, userID string) error {
	folder, err := os.MkdirTemp("", "points-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	cursorFile := filepath.Join(folder, "cursor")
	consumer := topUps{client: client, cursorFile: cursorFile, userIDPrefix: userID}
	for _, err := range consumer.all(ctx) {
		if err != nil {
			return err
		}
		break
	}
	cursor, err := os.ReadFile(cursorFile)
	if err != nil {
		return err
	}
	if err := fallBelow(ctx, client, userID); err != nil {
		return err
	}
	for _, step := range []string{"top up", "again"} {
		if err := store(cursorFile, string(cursor)); err != nil {
			return err
		}
		for answers, err := range consumer.all(ctx) {
			if err != nil {
				return err
			}
			if len(answers) > 0 {
				entry, account := answers[0].Entry, answers[0].Account
				fmt.Printf("%s: entry %d of %d, balance %d, replayed %t\n", step,
					entry.Sequence, entry.Points, account.Balance, answers[0].Replayed)
				break
			}
		}
	}
	return nil
}

func fallBelow(ctx context.Context, client client, userID string) error {
	_, err := client.policies.PutPolicy(ctx, &pointsv1.PutPolicyRequest{
		UserId:    userID,
		RequestId: "policy-1",
		Policy: &pointsv1.Policy{
			Name: "low",
			Rule: &pointsv1.Policy_Alert{Alert: &pointsv1.Alert{Below: 10}},
		},
	})
	if err != nil {
		return err
	}
	answer, err := client.points.Consume(ctx, &pointsv1.ConsumeRequest{
		UserId:    userID,
		RequestId: "job-5",
		Cost:      &pointsv1.ConsumeRequest_Points{Points: 10},
	})
	if err != nil {
		return err
	}
	fmt.Printf("alert: entry %d, balance %d, %s\n", answer.Entry.Sequence,
		answer.Entry.BalanceAfter, strings.Join(answer.Entry.Alerts, ", "))
	return nil
}

func verify(ctx context.Context, points pointsv1.PointsServiceClient, userID string) error {
	account, entries, err := readJournal(ctx, points, userID)
	if err == nil {
		err = verifyJournal(account, entries)
	}
	if err != nil {
		return err
	}
	fmt.Printf("verify: %d entries, chain intact\n", len(entries))
	return nil
}
