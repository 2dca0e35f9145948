// Command judge asks the transparency.dev formats library, which nobody here wrote, about proofs and quorums.
//
// It reads a JSON list of cases and writes a JSON list of booleans: accepted or not. A case is a tlog-proof file
// with the entry it is about, or (kind "quorum") a signed note alone; a log's key and a policy file go with both.
// Of kind "served" it is the address of a log: its checkpoint and tiles are fetched, and the entry proved from them.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"

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
	Index  int64  `json:"index"`
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
	if c.Kind == "served" {
		return c.fetch(verifier)
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

// fetch asks a log over HTTP as any client of C2SP tlog-tiles does, and proves the entry from what it serves.
func (c check) fetch(verifier note.Verifier) error {
	tiles := served(strings.TrimSuffix(string(c.Data), "/"))
	checkpoint, err := tiles.get("checkpoint")
	if err != nil {
		return err
	}
	head, err := c.open(checkpoint, verifier)
	if err != nil {
		return err
	}
	tree := tlog.Tree{N: int64(head.Size), Hash: tlog.Hash(head.Hash)}
	// The reader checks every tile against the signed root before it gives a hash.
	path, err := tlog.ProveRecord(tree.N, c.Index, tlog.TileHashReader(tree, tiles))
	if err != nil {
		return err
	}
	return tlog.CheckRecord(path, tree.N, tree.Hash, c.Index, tlog.RecordHash(c.Entry))
}

type served string

func (s served) Height() int                     { return 8 }
func (s served) SaveTiles([]tlog.Tile, [][]byte) {}

func (s served) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	found := make([][]byte, len(tiles))
	for i, tile := range tiles {
		// The checksum database names the height in the path, tlog-tiles has one height only.
		data, err := s.get("tile/" + strings.TrimPrefix(tile.Path(), "tile/8/"))
		if err != nil {
			return nil, err
		}
		found[i] = data
	}
	return found, nil
}

func (s served) get(name string) ([]byte, error) {
	answer, err := http.Get(string(s) + "/" + name)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", name, answer.Status)
	}
	return io.ReadAll(answer.Body)
}
