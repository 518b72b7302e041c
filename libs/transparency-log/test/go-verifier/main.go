// Verifies the output of libs/transparency-log with golang.org/x/mod/sumdb, which shares no code with it: checkpoints,
// every tile, the root, inclusion and consistency proofs. The folder is the only argument. It prints what it has verified
// as JSON, with a note that it has signed itself.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type evidence struct {
	VerifierKey string
	SignerKey   string
	Entries     []string // base64, all entries from index 0
	Checkpoints []string
	Inclusions  []struct {
		Index, Size int64
		Hashes      []string
	}
	Consistencies []struct {
		From, To int64
		Hashes   []string
	}
}

type head struct {
	size int64
	root tlog.Hash
}

func main() {
	folder := os.Args[1]
	var given evidence
	data, err := os.ReadFile(filepath.Join(folder, "evidence.json"))
	check(err)
	check(json.Unmarshal(data, &given))

	verifier, err := note.NewVerifier(given.VerifierKey)
	check(err)
	stored, roots := build(given.Entries)
	heads := map[int64]head{}
	tiles := 0
	for _, text := range given.Checkpoints {
		opened, err := note.Open([]byte(text), note.VerifierList(verifier))
		check(err)
		found := parse(opened.Text, verifier.Name())
		if found.root != roots[found.size] {
			fail("the root of %d leaves differs", found.size)
		}
		heads[found.size] = found
		// TileHashReader verifies the tiles that it reads against the root of the checkpoint.
		tree := tlog.Tree{N: found.size, Hash: found.root}
		reader := tlog.TileHashReader(tree, folderTiles{folder})
		for n := int64(0); n < found.size; n += 101 {
			hashes, err := reader.ReadHashes([]int64{tlog.StoredHashIndex(0, n)})
			check(err)
			if hashes[0] != stored[tlog.StoredHashIndex(0, n)] {
				fail("leaf %d differs in its tile", n)
			}
		}
		// And every tile that it would have written itself is there, byte by byte.
		for _, tile := range tlog.NewTiles(8, 0, found.size) {
			want, err := tlog.ReadTileData(tile, stored)
			check(err)
			got, err := os.ReadFile(filepath.Join(folder, c2spPath(tile)))
			check(err)
			if !bytes.Equal(want, got) {
				fail("%s differs", c2spPath(tile))
			}
			tiles++
		}
	}
	for _, given := range given.Inclusions {
		h := heads[given.Size]
		leaf := stored[tlog.StoredHashIndex(0, given.Index)]
		check(tlog.CheckRecord(hashes(given.Hashes), h.size, h.root, given.Index, leaf))
	}
	for _, given := range given.Consistencies {
		from, to := heads[given.From], heads[given.To]
		check(tlog.CheckTree(hashes(given.Hashes), to.size, to.root, from.size, from.root))
	}
	signer, err := note.NewSigner(given.SignerKey)
	check(err)
	signed, err := note.Sign(&note.Note{Text: "signed in Go\n"}, signer)
	check(err)
	check(json.NewEncoder(os.Stdout).Encode(map[string]any{
		"checkpoints":   len(given.Checkpoints),
		"tiles":         tiles,
		"inclusions":    len(given.Inclusions),
		"consistencies": len(given.Consistencies),
		"note":          string(signed),
	}))
}

// Hashes in the order of tlog.StoredHashIndex.
type storedHashes []tlog.Hash

func (s storedHashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		hashes[i] = s[index]
	}
	return hashes, nil
}

func build(entries []string) (storedHashes, []tlog.Hash) {
	var stored storedHashes
	roots := []tlog.Hash{{}}
	for n, entry := range entries {
		data, err := base64.StdEncoding.DecodeString(entry)
		check(err)
		hashes, err := tlog.StoredHashes(int64(n), data, stored)
		check(err)
		stored = append(stored, hashes...)
		root, err := tlog.TreeHash(int64(n+1), stored)
		check(err)
		roots = append(roots, root)
	}
	return stored, roots
}

type folderTiles struct{ folder string }

func (f folderTiles) Height() int                         { return 8 }
func (f folderTiles) SaveTiles(_ []tlog.Tile, _ [][]byte) {}
func (f folderTiles) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	read := make([][]byte, len(tiles))
	for i, tile := range tiles {
		data, err := os.ReadFile(filepath.Join(f.folder, c2spPath(tile)))
		if err != nil {
			return nil, err
		}
		read[i] = data
	}
	return read, nil
}

// C2SP leaves out the height, which is always 8.
func c2spPath(tile tlog.Tile) string {
	return "tile/" + strings.TrimPrefix(tile.Path(), "tile/8/")
}

func parse(text, origin string) head {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[0] != origin || lines[3] != "" {
		fail("the checkpoint has another form: %q", text)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err)
	root, err := tlog.ParseHash(lines[2])
	check(err)
	return head{size, root}
}

func hashes(texts []string) []tlog.Hash {
	parsed := make([]tlog.Hash, len(texts))
	for i, text := range texts {
		hash, err := tlog.ParseHash(text)
		check(err)
		parsed[i] = hash
	}
	return parsed
}

func check(err error) {
	if err != nil {
		fail("%v", err)
	}
}

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(1)
}
