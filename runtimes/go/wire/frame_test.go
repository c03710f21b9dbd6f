package wire

import (
	"bytes"
	"io"
	"strings"
	"syscall"
	"testing"
)

func pair(t *testing.T) (*Conn, *Conn) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	a, b := New(fds[0]), New(fds[1])
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

func TestTheExampleOfTheContract(t *testing.T) {
	a, b := pair(t)
	if err := a.Send(Log, []byte(`{"stream":"stdout"}`), []byte("hi\n")); err != nil {
		t.Fatal(err)
	}
	wire := make([]byte, 64)
	n, err := syscall.Read(b.fd, wire)
	want := "\x00\x00\x00\x16\x07\x00\x00\x00\x13{\"stream\":\"stdout\"}hi\n"
	if err != nil || string(wire[:n]) != want {
		t.Fatalf("%q, %v", wire[:n], err)
	}
}

func TestFramesOfAllSizesArriveWholeAndInOrder(t *testing.T) {
	a, b := pair(t)
	sizes := []int{0, 1, Chunk - 1, Chunk, bufferSize, 5, 1_900_000, 0, 70_000, 3}
	go func() {
		for _, size := range sizes {
			if a.Send(Body, []byte(`{"end":true}`), bytes.Repeat([]byte{byte(size)}, size)) != nil {
				return
			}
		}
		a.Hangup()
	}()
	for _, size := range sizes {
		frame, err := b.Receive()
		if err != nil || !bytes.Equal(frame.Raw, bytes.Repeat([]byte{byte(size)}, size)) {
			t.Fatalf("%d bytes: got %d, %v", size, len(frame.Raw), err)
		}
	}
	if _, err := b.Receive(); err != io.EOF {
		t.Fatal(err)
	}
	if len(b.buffer) != bufferSize {
		t.Fatalf("the room for a large frame is kept: %d bytes", len(b.buffer))
	}
}

func TestFramesThatDoNotFitAreRefused(t *testing.T) {
	for name, text := range map[string]string{
		"too large":            "\x00\x20\x00\x01\x02\x00\x00\x00\x02",
		"header beyond":        "\x00\x00\x00\x04\x02\x00\x00\x00\x09",
		"not an object":        "\x00\x00\x00\x04\x02\x00\x00\x00\x04null",
		"not JSON":             "\x00\x00\x00\x02\x02\x00\x00\x00\x02{a",
		"a number with digits": "\x00\x00\x00\x12\x02\x00\x00\x00\x12{\"timeout_ms\":1.5}",
	} {
		a, b := pair(t)
		if _, err := syscall.Write(a.fd, []byte(text)); err != nil {
			t.Fatal(err)
		}
		frame, err := b.Receive()
		if err == nil {
			err = frame.Decode(&LoadHeader{})
		}
		if _, refused := err.(ProtocolError); !refused {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLongTextsAreCutInTheMiddle(t *testing.T) {
	failure := NewFailure(Raised, "", "begin"+strings.Repeat("x", 1<<20)+"end", "")
	if n := len(failure.Message); n > messageLimit || n < messageLimit-1 {
		t.Errorf("%d bytes", n)
	}
	if !strings.HasPrefix(failure.Message, "begin") || !strings.HasSuffix(failure.Message, "end") {
		t.Error("the ends are gone")
	}
}
