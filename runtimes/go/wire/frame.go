// Package wire carries frames over one stream socket. It knows nothing of what they mean.
//
// It is used by the shim towards the daemon, and between the shim and the user's program. Reads and
// writes are plain blocking system calls: the network poller of the standard library would cost two
// more thread switches for each frame.
package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// The types of frames, as ../../README.md numbers them.
const (
	Hello byte = iota + 1
	Load
	Loaded
	Invoke
	Body
	Reply
	Log
	Cancel
	Ping
	Pong
	Slots
	Exited
)

const (
	// Protocol is the version of the worker contract spoken here.
	Protocol = 1
	// Chunk is how many bytes of a body travel in one frame.
	Chunk = 64 * 1024
	// Largest is how many bytes may follow a frame's prefix.
	Largest = 2 * 1024 * 1024

	prefixSize = 9
	bufferSize = Chunk + 16*1024 // a full chunk and its header arrive in one read
)

// ProtocolError says that the other side sent what the contract does not allow.
type ProtocolError string

func (e ProtocolError) Error() string { return string(e) }

// Frame is one message. Header and Raw are good until the next Receive of the same connection.
type Frame struct {
	Kind   byte
	Header []byte
	Raw    []byte
}

// Decode reads the header into a struct. An empty header is an empty object.
func (f Frame) Decode(into any) error {
	if len(f.Header) == 0 {
		return nil
	}
	if text := bytes.TrimLeft(f.Header, " \t\r\n"); len(text) == 0 || text[0] != '{' {
		return ProtocolError("a frame header that is not one JSON object")
	}
	if err := json.Unmarshal(f.Header, into); err != nil {
		return ProtocolError("a frame header that does not fit: " + err.Error())
	}
	return nil
}

// Conn sends and receives frames. Any goroutine may send; only one may receive.
type Conn struct {
	fd         int
	buffer     []byte
	start, end int
	sending    sync.Mutex
	out        []byte
	mark       *int64 // how many bytes are being written
	unsent     *int64 // is 0 once a log frame is written
}

// New takes over a connected stream socket in blocking mode.
func New(fd int) *Conn {
	return &Conn{fd: fd, buffer: make([]byte, bufferSize)}
}

// Close closes the socket.
func (c *Conn) Close() error { return syscall.Close(c.fd) }

// Hangup ends the connection while another goroutine may be receiving from it.
func (c *Conn) Hangup() { syscall.Shutdown(c.fd, syscall.SHUT_RDWR) }

// Send writes one frame with one system call.
func (c *Conn) Send(kind byte, header, raw []byte) error {
	c.sending.Lock()
	defer c.sending.Unlock()
	var prefix [prefixSize]byte
	binary.BigEndian.PutUint32(prefix[0:], uint32(len(header)+len(raw)))
	prefix[4] = kind
	binary.BigEndian.PutUint32(prefix[5:], uint32(len(header)))
	c.out = append(append(append(c.out[:0], prefix[:]...), header...), raw...)
	return c.writeOut()
}

// SendJSON writes one frame without raw bytes.
func (c *Conn) SendJSON(kind byte, header any) error {
	text, err := json.Marshal(header)
	if err != nil {
		return err
	}
	return c.Send(kind, text, nil)
}

// Mark lets the number of bytes that are being written stand in `mark` for just that time, and sets
// `unsent` to 0 with a log frame's last byte.
func (c *Conn) Mark(mark, unsent *int64) { c.mark, c.unsent = mark, unsent }

// writeOut tries without the scheduler first: a socket has room nearly always, and nothing can come
// between the mark and the system call then, not even the end of the program.
func (c *Conn) writeOut() error {
	if c.mark != nil {
		atomic.StoreInt64(c.mark, int64(len(c.out)))
		defer atomic.StoreInt64(c.mark, 0)
	}
	n, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, uintptr(c.fd), uintptr(unsafe.Pointer(&c.out[0])),
		uintptr(len(c.out)), syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL, 0, 0)
	if c.unsent != nil && c.out[4] == Log && errno == 0 && int(n) == len(c.out) {
		atomic.StoreInt64(c.unsent, 0)
	}
	if errno != 0 {
		n = 0 // the loop meets the error again, or waits for room
	}
	for rest := c.out[n:]; len(rest) > 0; {
		n, err := syscall.Write(c.fd, rest)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		rest = rest[n:]
	}
	if cap(c.out) > 4*bufferSize {
		c.out = nil
	}
	return nil
}

// Receive waits for one frame. io.EOF when the other side has hung up.
func (c *Conn) Receive() (Frame, error) {
	for {
		frame, complete, err := c.next()
		if complete || err != nil {
			return frame, err
		}
		if err := c.fill(); err != nil {
			return Frame{}, err
		}
	}
}

// next takes a frame out of the buffer, or makes room for the rest of it.
func (c *Conn) next() (Frame, bool, error) {
	have := c.buffer[c.start:c.end]
	if len(have) < prefixSize {
		c.reserve(prefixSize)
		return Frame{}, false, nil
	}
	size := int(binary.BigEndian.Uint32(have))
	headerSize := int(binary.BigEndian.Uint32(have[5:]))
	if size > Largest {
		return Frame{}, false, ProtocolError(fmt.Sprintf("a frame of %d bytes; the largest allowed is %d", size, Largest))
	}
	if headerSize > size {
		return Frame{}, false, ProtocolError(fmt.Sprintf("a header of %d bytes in a frame of %d", headerSize, size))
	}
	if len(have) < prefixSize+size {
		c.reserve(prefixSize + size)
		return Frame{}, false, nil
	}
	c.start += prefixSize + size
	body := have[prefixSize : prefixSize+size]
	return Frame{Kind: have[4], Header: body[:headerSize], Raw: body[headerSize:]}, true, nil
}

// reserve moves what is there to the front when `size` bytes would not fit behind start, into a
// larger buffer if need be; a buffer that grew for one frame is given back after it.
func (c *Conn) reserve(size int) {
	rest := c.buffer[c.start:c.end]
	switch {
	case size > len(c.buffer):
		c.buffer = append(make([]byte, 0, size), rest...)[:size]
	case len(c.buffer) > bufferSize && size <= bufferSize && len(rest) <= bufferSize:
		c.buffer = append(make([]byte, 0, bufferSize), rest...)[:bufferSize]
	case len(rest) == 0 || c.start+size > len(c.buffer):
		copy(c.buffer, rest)
	default:
		return
	}
	c.start, c.end = 0, len(rest)
}

func (c *Conn) fill() error {
	for {
		n, err := syscall.Read(c.fd, c.buffer[c.end:])
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.ECONNRESET, err == nil && n == 0:
			return io.EOF
		case err != nil:
			return err
		}
		c.end += n
		return nil
	}
}
