package main

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	pointsv1 "example.com/points/gen/points/v1"
)

type vectors struct {
	Account json.RawMessage
	Entries []struct{ Entry json.RawMessage }
}

// journal reads the published test vectors.
func journal(t *testing.T) (*pointsv1.Account, []*pointsv1.Entry) {
	t.Helper()
	return readVectors(t, func(file []byte) (read vectors, err error) {
		err = json.Unmarshal(file, &read)
		return read, err
	})
}

// erasedJournal reads those of an account that was erased.
func erasedJournal(t *testing.T) (*pointsv1.Account, []*pointsv1.Entry) {
	t.Helper()
	return readVectors(t, func(file []byte) (vectors, error) {
		var read struct{ Erased vectors }
		err := json.Unmarshal(file, &read)
		return read.Erased, err
	})
}

func readVectors(t *testing.T, read func([]byte) (vectors, error)) (*pointsv1.Account, []*pointsv1.Entry) {
	t.Helper()
	file, err := os.ReadFile("../../docs/hash-vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	vectors, err := read(file)
	account := &pointsv1.Account{}
	entries := make([]*pointsv1.Entry, len(vectors.Entries))
	if err == nil {
		err = protojson.Unmarshal(vectors.Account, account)
	}
	for i, vector := range vectors.Entries {
		entries[i] = &pointsv1.Entry{}
		if err == nil {
			err = protojson.Unmarshal(vector.Entry, entries[i])
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return account, entries
}

func TestTheJournalOfTheTestVectorsIsIntact(t *testing.T) {
	account, entries := journal(t)
	if len(entries) < 10 {
		t.Fatalf("there are %d test vectors", len(entries))
	}
	if err := verifyJournal(account, entries); err != nil {
		t.Fatal(err)
	}
}

func TestTheJournalOfAnErasedAccountIsIntact(t *testing.T) {
	account, entries := erasedJournal(t)
	if err := verifyJournal(account, entries); err != nil {
		t.Fatal(err)
	}
	entries[2].ErasedHash = make([]byte, 32)
	if err := verifyJournal(account, entries); err == nil || err.Error() != "entry 3 erases another journal" {
		t.Errorf("it erases another: got %v", err)
	}
}

func TestAJournalThatWasChangedIsNot(t *testing.T) {
	_, all := journal(t)
	last := fmt.Sprintf("the account is not as entry %d left it", len(all))
	for name, change := range map[string]func(*pointsv1.Account, *pointsv1.Entry){
		"entry 3 has another hash":            func(_ *pointsv1.Account, e *pointsv1.Entry) { e.Points++ },
		"entry 3 has another personal digest": func(_ *pointsv1.Account, e *pointsv1.Entry) { e.RequestId = "x" },
		"entry 3 is missing":                  func(_ *pointsv1.Account, e *pointsv1.Entry) { e.Sequence = 4 },
		last:                                  func(a *pointsv1.Account, _ *pointsv1.Entry) { a.Balance++ },
	} {
		account, entries := journal(t)
		account = proto.CloneOf(account)
		change(account, entries[2])
		if err := verifyJournal(account, entries); err == nil || err.Error() != name {
			t.Errorf("want %q, got %v", name, err)
		}
	}
}
