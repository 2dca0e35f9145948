// Command judge asks the transparency.dev formats library, which nobody here wrote, about proofs and quorums.
//
// It reads a JSON list of cases and writes a JSON list of booleans: accepted or not. A case is a tlog-proof file
// with the entry it is about, or (kind "quorum") a signed note alone; a log's key and a policy file go with both.
package main

import (
	"encoding/json"
	"errors"
	"log"
	"os"

	formats "github.com/transparency-dev/formats/log"
	"github.com/transparency-dev/formats/proof"
	"github.com/transparency-dev/formats/witness"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type check struct {
	Kind   string `json:"kind"`
	Data   []byte `json:"data"`
	Entry  []byte `json:"entry"`
	Vkey   string `json:"vkey"`
	Policy []byte `json:"policy"`
}

func main() {
	var checks []check
	if err := json.NewDecoder(os.Stdin).Decode(&checks); err != nil {
		log.Fatal(err)
	}
	accepted := make([]bool, len(checks))
	for i, c := range checks {
		accepted[i] = c.run() == nil
	}
	if err := json.NewEncoder(os.Stdout).Encode(accepted); err != nil {
		log.Fatal(err)
	}
}

func (c check) run() error {
	verifier, err := note.NewVerifier(c.Vkey)
	if err != nil {
		return err
	}
	if c.Kind == "quorum" {
		_, err := c.open(c.Data, verifier)
		return err
	}
	var p proof.TLogProof
	if err := p.Unmarshal(c.Data); err != nil {
		return err
	}
	head, err := c.open(p.Checkpoint, verifier)
	if err != nil {
		return err
	}
	var path []tlog.Hash
	for _, h := range p.Hashes {
		path = append(path, tlog.Hash(h))
	}
	return tlog.CheckRecord(path, int64(head.Size), tlog.Hash(head.Hash), int64(p.Index), tlog.RecordHash(c.Entry))
}

func (c check) open(checkpoint []byte, verifier note.Verifier) (*formats.Checkpoint, error) {
	head, _, _, err := formats.ParseCheckpoint(checkpoint, verifier.Name(), verifier)
	if err != nil {
		return nil, err
	}
	quorum, err := witness.ParsePolicy(c.Policy)
	if err != nil {
		return nil, err
	}
	if !quorum.Satisfied(checkpoint) {
		return nil, errors.New("the quorum is not met")
	}
	return head, nil
}
