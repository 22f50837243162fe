package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	pointsv1 "example.com/points/gen/points/v1"
)

// readJournal reads an account, with everything booked that is due, and its entries up to then, the
// first one first.
func readJournal(ctx context.Context, points pointsv1.PointsServiceClient, userID string) (*pointsv1.Account, []*pointsv1.Entry, error) {
	made, err := points.GetOrCreate(ctx, &pointsv1.GetOrCreateRequest{UserId: userID})
	if err != nil {
		return nil, nil, err
	}
	var entries []*pointsv1.Entry
	request := &pointsv1.ListEntriesRequest{UserId: userID, PageSize: 1000}
	for {
		page, err := points.ListEntries(ctx, request)
		if err != nil {
			return nil, nil, err
		}
		for _, entry := range page.Entries {
			if entry.Sequence <= made.Account.Sequence {
				entries = append(entries, entry)
			}
		}
		if request.PageToken = page.NextPageToken; request.PageToken == "" {
			slices.Reverse(entries)
			return made.Account, entries, nil
		}
	}
}

// verifyJournal checks a whole journal, the first entry first: its numbers, what is personal, the hash
// chain, and that it leads to the account. docs/hash.md describes what is hashed.
func verifyJournal(account *pointsv1.Account, entries []*pointsv1.Entry) error {
	// What is personal in entries before the last erasure is gone: their digests stand for it.
	var erased int64
	for _, entry := range entries {
		if entry.Kind == pointsv1.EntryKind_ENTRY_KIND_ERASE {
			erased = entry.Sequence
		}
	}
	hash, last := make([]byte, sha256.Size), &pointsv1.Entry{}
	for i, entry := range entries {
		if entry.Sequence != int64(i)+1 || entry.UserId != account.UserId {
			return fmt.Errorf("entry %d is missing", i+1)
		}
		if entry.Sequence >= erased && !bytes.Equal(personalDigest(account.Salt, entry), entry.PersonalDigest) {
			return fmt.Errorf("entry %d has another personal digest", entry.Sequence)
		}
		if entry.Kind == pointsv1.EntryKind_ENTRY_KIND_ERASE && !bytes.Equal(hash, entry.ErasedHash) {
			return fmt.Errorf("entry %d erases another journal", entry.Sequence)
		}
		if hash = sum(hash, content(entry)); !bytes.Equal(hash, entry.Hash) {
			return fmt.Errorf("entry %d has another hash", entry.Sequence)
		}
		last = entry
	}
	if last.Sequence != account.Sequence || last.BalanceAfter != account.Balance || last.FrozenAfter != account.Frozen ||
		last.DebtAfter != account.Debt {
		return fmt.Errorf("the account is not as entry %d left it", last.Sequence)
	}
	return nil
}

func personalDigest(salt []byte, e *pointsv1.Entry) []byte {
	metadata := mapped(8, e.Metadata)
	return sum(salt, join(text(1, e.UserId), text(7, e.RequestId), metadata,
		text(20, e.Actor), text(21, e.Member)))
}

func content(e *pointsv1.Entry) []byte {
	var allocations [][]byte
	for _, a := range e.Allocations {
		allocations = append(allocations, join(number(1, a.Lot), number(2, a.Points)))
	}
	return join(
		number(2, e.Sequence), number(3, int64(e.Kind)), number(4, e.Points),
		list(5, len(allocations), allocations), number(6, micros(e.CreateTime)),
		number(9, e.BalanceAfter), number(10, e.FrozenAfter), number(11, micros(e.ExpireTime)),
		number(12, int64(e.Priority)), number(14, e.RefersTo), number(15, e.Returned),
		field(16, usage(e.Usage)), text(17, e.Caller), field(18, e.PersonalDigest),
		field(19, e.Fingerprint), text(22, e.Category), texts(23, e.Services),
		number(24, e.Owed), number(25, e.Uncovered), number(26, e.Repaid),
		number(27, e.FromBalance), text(28, e.Cause), texts(29, e.Alerts),
		number(30, e.DebtAfter), flag(31, e.KeptOpen), flag(32, e.FromClaim), field(33, policy(e.Policy)),
		field(34, e.ErasedHash))
}

func policy(p *pointsv1.Policy) []byte {
	name := text(1, p.GetName())
	switch rule := p.GetRule().(type) {
	case *pointsv1.Policy_Allowance:
		return join(name, field(2, allowance(rule.Allowance)))
	case *pointsv1.Policy_Limit:
		return join(name, field(3, limit(rule.Limit)))
	case *pointsv1.Policy_Alert:
		return join(name, field(4, always(1, rule.Alert.Below)))
	case *pointsv1.Policy_CreditLine:
		return join(name, field(5, always(1, rule.CreditLine.Points)))
	}
	return name
}

func allowance(a *pointsv1.Allowance) []byte {
	every := join(number(1, int64(a.Every.Count)), number(2, int64(a.Every.Unit)))
	return join(
		number(1, a.Points), field(2, every), number(3, micros(a.StartTime)), text(4, a.TimeZone),
		number(5, int64(a.GetPeriods())), number(6, nanos(a.GetTtl())), flag(7, a.GetNever()),
		number(8, int64(a.Priority)), text(9, a.Category), texts(10, a.Services),
		number(11, micros(a.EndTime)))
}

// limit leaves out the member, which is the entry's.
func limit(l *pointsv1.Limit) []byte {
	window := join(
		number(1, int64(l.Window.GetCalendar())), flag(2, l.Window.GetTotal()),
		text(3, l.Window.TimeZone))
	return join(number(1, l.Points), field(2, window), flag(4, l.EachMember), text(5, l.Service))
}

func usage(u *pointsv1.PricedUsage) []byte {
	return join(
		text(1, u.GetService()), number(2, u.GetQuantity()), number(3, nanos(u.GetDuration())),
		text(4, u.GetPriceVersion()), mapped(5, u.GetMeters()), mapped(6, u.GetAttributes()),
		field(7, calculation(u.GetCalculation())))
}

func calculation(c *pointsv1.PriceCalculation) []byte {
	var meters [][]byte
	for _, m := range c.GetMeters() {
		meters = append(meters, join(text(1, m.Of), number(2, m.Amount), number(3, m.Points),
			number(4, m.Per), number(5, nanos(m.Unit))))
	}
	return join(
		mapped(1, c.GetWhen()), number(2, c.GetFixed()), list(3, len(meters), meters),
		text(4, c.GetFactor()), number(5, c.GetMinimum()), number(6, c.GetMaximum()))
}

func nanos(d *durationpb.Duration) int64 {
	return d.GetSeconds()*1_000_000_000 + int64(d.GetNanos())
}

func micros(t *timestamppb.Timestamp) int64 {
	return t.GetSeconds()*1_000_000 + int64(t.GetNanos())/1_000
}

func flag(tag byte, set bool) []byte {
	if !set {
		return nil
	}
	return text(tag, "1")
}

func number(tag byte, n int64) []byte {
	if n == 0 {
		return nil
	}
	return always(tag, n)
}

// always writes a number even if it is 0.
func always(tag byte, n int64) []byte { return text(tag, strconv.FormatInt(n, 10)) }

func text(tag byte, s string) []byte { return field(tag, []byte(s)) }

func texts(tag byte, items []string) []byte {
	var values [][]byte
	for _, item := range items {
		values = append(values, []byte(item))
	}
	return list(tag, len(values), values)
}

func mapped[V any](tag byte, m map[string]V) []byte {
	var pairs [][]byte
	for _, key := range slices.Sorted(maps.Keys(m)) {
		pairs = append(pairs, []byte(key), []byte(fmt.Sprint(m[key])))
	}
	return list(tag, len(m), pairs)
}

func list(tag byte, count int, items [][]byte) []byte {
	if count == 0 {
		return nil
	}
	value := binary.BigEndian.AppendUint32(nil, uint32(count))
	for _, item := range items {
		value = append(binary.BigEndian.AppendUint32(value, uint32(len(item))), item...)
	}
	return field(tag, value)
}

func field(tag byte, value []byte) []byte {
	if len(value) == 0 {
		return nil
	}
	return append(binary.BigEndian.AppendUint32([]byte{tag}, uint32(len(value))), value...)
}

func join(fields ...[]byte) []byte { return bytes.Join(fields, nil) }

func sum(parts ...[]byte) []byte {
	hash := sha256.Sum256(join(parts...))
	return hash[:]
}
