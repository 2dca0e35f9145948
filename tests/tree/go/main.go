// Command treecheck judges proofs, tiles and notes with Go's sumdb code, which nobody here wrote.
//
// It reads a JSON list of cases and writes a JSON list of booleans: accepted or not.
package main

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type check struct {
	Kind    string            `json:"kind"`
	Size    int64             `json:"size"`
	Root    string            `json:"root"`
	Index   int64             `json:"index"`
	Leaf    string            `json:"leaf"`
	OldSize int64             `json:"old_size"`
	OldRoot string            `json:"old_root"`
	Path    []string          `json:"path"`
	Leaves  map[string]string `json:"leaves"`
	Tiles   map[string]string `json:"tiles"`
	Vkey    string            `json:"vkey"`
	Witness string            `json:"witness"`
	TimeS   int64             `json:"time_s"`
	Note    string            `json:"note"`
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
	switch c.Kind {
	case "inclusion":
		return tlog.CheckRecord(hashes(c.Path), c.Size, hash(c.Root), c.Index, hash(c.Leaf))
	case "consistency":
		return tlog.CheckTree(hashes(c.Path), c.Size, hash(c.Root), c.OldSize, hash(c.OldRoot))
	case "tiles":
		return c.readTiles()
	case "checkpoint":
		return c.openCheckpoint()
	}
	log.Fatalf("unknown kind %q", c.Kind)
	return nil
}

// readTiles reads leaf hashes through Go's reader, which authenticates every tile against the root.
func (c check) readTiles() error {
	tree := tlog.Tree{N: c.Size, Hash: hash(c.Root)}
	reader := tlog.TileHashReader(tree, c)
	for index, leaf := range c.Leaves {
		n, err := strconv.ParseInt(index, 10, 64)
		if err != nil {
			return err
		}
		got, err := reader.ReadHashes([]int64{tlog.StoredHashIndex(0, n)})
		if err != nil {
			return err
		}
		if got[0] != hash(leaf) {
			return errors.New("another leaf")
		}
	}
	return nil
}

func (c check) Height() int { return 8 }

func (c check) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range tiles {
		// C2SP leaves out the height, which is always 8.
		data, ok := c.Tiles[strings.Replace(tile.Path(), "tile/8/", "tile/", 1)]
		if !ok {
			return nil, fmt.Errorf("no tile %s", tile.Path())
		}
		raw, err := base64.StdEncoding.DecodeString(data)
		if err != nil {
			return nil, err
		}
		all = append(all, raw)
	}
	return all, nil
}

func (c check) SaveTiles([]tlog.Tile, [][]byte) {}

func (c check) openCheckpoint() error {
	verifier, err := note.NewVerifier(c.Vkey)
	if err != nil {
		return err
	}
	known := []note.Verifier{verifier}
	if c.Witness != "" {
		known = append(known, newWitness(c.Witness, c.TimeS))
	}
	opened, err := note.Open([]byte(c.Note), note.VerifierList(known...))
	if err != nil {
		return err
	}
	if len(opened.Sigs) != len(known) {
		return errors.New("a signature is missing")
	}
	want := fmt.Sprintf("%s\n%d\n%s\n", verifier.Name(), c.Size, hash(c.Root))
	if opened.Text != want {
		return errors.New("another head")
	}
	return nil
}

// A witness verifies the Ed25519 line of c2sp.org/tlog-cosignature.
type witness struct {
	name  string
	hash  uint32
	key   ed25519.PublicKey
	timeS int64
}

func newWitness(vkey string, timeS int64) witness {
	parts := strings.SplitN(vkey, "+", 3)
	id, err := strconv.ParseUint(parts[1], 16, 32)
	if err != nil {
		log.Fatal(err)
	}
	raw, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || raw[0] != 4 {
		log.Fatalf("not a witness key: %s", vkey)
	}
	return witness{parts[0], uint32(id), raw[1:], timeS}
}

func (w witness) Name() string    { return w.name }
func (w witness) KeyHash() uint32 { return w.hash }

func (w witness) Verify(msg, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize || int64(binary.BigEndian.Uint64(sig)) != w.timeS {
		return false
	}
	text := fmt.Sprintf("cosignature/v1\ntime %d\n%s", w.timeS, msg)
	return ed25519.Verify(w.key, []byte(text), sig[8:])
}

func hash(text string) tlog.Hash {
	h, err := tlog.ParseHash(text)
	if err != nil {
		log.Fatal(err)
	}
	return h
}

func hashes(texts []string) []tlog.Hash {
	var all []tlog.Hash
	for _, text := range texts {
		all = append(all, hash(text))
	}
	return all
}
