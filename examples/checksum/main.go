// Checksums of whatever is sent: a file of any length goes through, and nothing of it is kept.
package main

import (
	"crypto/md5"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/json"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"log"
	"net/http"
)

// Sums is the answer.
type Sums struct {
	Bytes  int64  `json:"bytes"`
	CRC32  string `json:"crc32"`
	MD5    string `json:"md5"`
	SHA256 string `json:"sha256"`
	SHA512 string `json:"sha512"`
}

// Handle reads the body once and feeds all sums at the same time.
func Handle(w http.ResponseWriter, r *http.Request) {
	crc, md, short, long := crc32.NewIEEE(), md5.New(), sha256.New(), sha512.New()
	length, err := io.Copy(io.MultiWriter(crc, md, short, long), r.Body)
	if err != nil {
		http.Error(w, "the body did not come to its end: "+err.Error(), http.StatusBadRequest)
		return
	}
	log.Printf("%d bytes", length)
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(Sums{length, text(crc), text(md), text(short), text(long)})
}

func text(sum hash.Hash) string { return fmt.Sprintf("%x", sum.Sum(nil)) }
