// Package capture takes what is printed in a slot, by the user's program and its children, to the daemon.
//
// Two pipes are read: by the shim while the program loads, and for a program that is a server of its
// own; by the program itself while it serves calls; by the shim again for the last words of one that
// has ended. What comes between Begin and End belongs to a call, the rest to nobody.
package capture

import (
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"unicode/utf8"
	"unsafe"

	"hob/wire"
)

const tailSize = 64 * 1024 // bytes of the end of standard error that are kept, to explain an end with

var streamHeaders = [2][]byte{[]byte(`{"stream":"stdout"}`), []byte(`{"stream":"stderr"}`)}

// State is how a call's output stands. It lies in memory that the shim and the program share, so that
// the shim can go on where a program that has ended left off.
type State struct {
	active  int64
	sending int64 // how many bytes are being written to the daemon
	limit   int64
	room    int64 // bytes that may still be sent for this call
	dropped int64

	deadline int64 // of the call, in nanoseconds of the monotonic clock; 0: none

	pending int64 // how much of `buffer` was read from the pipe of `stream`, and is not written yet
	stream  int64
	buffer  [wire.Chunk]byte
}

const (
	stateSize = 128 * 1024
	// undivided is how large a frame may be that the kernel takes whole or not at all.
	undivided = 16 * 1024
)

// NewState makes a state in a file of memory.
func NewState() (fd int, state *State, err error) {
	name := [...]byte{'h', 'o', 'b', 0}
	made, _, errno := syscall.Syscall(sysMemfdCreate, uintptr(unsafe.Pointer(&name)), 1, 0) // MFD_CLOEXEC
	if errno != 0 {
		return -1, nil, errno
	}
	if err := syscall.Ftruncate(int(made), stateSize); err != nil {
		return -1, nil, err
	}
	state, err = OpenState(int(made))
	return int(made), state, err
}

// OpenState maps a state that another process has made.
func OpenState(fd int) (*State, error) {
	memory, err := syscall.Mmap(fd, 0, stateSize, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	return (*State)(unsafe.Pointer(&memory[0])), nil
}

// Output is the reading side of both streams.
type Output struct {
	conn  *wire.Conn
	state *State

	lock    sync.Mutex
	readers [2]int // -1 when the other side is closed
	wake    [2]int // a pipe that ends the pump
	done    chan struct{}
	tail    []byte
}

// Pipes makes the two pipes: what to read from and what the program gets.
func Pipes() (readers, writers [2]int, err error) {
	for stream := range readers {
		var pipe [2]int
		if err := syscall.Pipe2(pipe[:], syscall.O_CLOEXEC); err != nil {
			return readers, writers, err
		}
		if err := syscall.SetNonblock(pipe[0], true); err != nil {
			return readers, writers, err
		}
		readers[stream], writers[stream] = pipe[0], pipe[1]
	}
	return readers, writers, nil
}

// New reads from non-blocking pipes. Start lets it read when nobody asks.
func New(conn *wire.Conn, state *State, readers [2]int) *Output {
	conn.Mark(&state.sending, &state.pending)
	return &Output{conn: conn, state: state, readers: readers}
}

// Start reads what comes from now on as it comes.
func (o *Output) Start() error {
	if err := syscall.Pipe2(o.wake[:], syscall.O_CLOEXEC); err != nil {
		return err
	}
	o.done = make(chan struct{})
	go o.pump()
	return nil
}

// Stop reads no more, so that somebody else may.
func (o *Output) Stop() {
	syscall.Close(o.wake[1])
	<-o.done
	syscall.Close(o.wake[0])
}

// Readers are the ends of the pipes that are read.
func (o *Output) Readers() [2]int { return o.readers }

// Begin lets output belong to a call, at most `limit` bytes of it.
func (o *Output) Begin(limit int64) {
	o.lock.Lock()
	defer o.lock.Unlock()
	o.drain()
	o.state.limit, o.state.room, o.state.dropped, o.state.active = limit, limit, 0, 1
	o.tail = o.tail[:0]
}

// End sends what is left and says what was dropped.
func (o *Output) End() {
	o.lock.Lock()
	defer o.lock.Unlock()
	o.drain()
	if o.state.dropped > 0 && o.state.active != 0 {
		o.sayCut()
	}
	o.state.active = 0
}

// Finish sends the last words of a program that has ended: what it had read and not written, and what
// is in the pipes. Nothing, if it may have left a torn frame.
func (o *Output) Finish() {
	sending := atomic.LoadInt64(&o.state.sending)
	if sending > undivided {
		return
	}
	if n := o.state.pending; n > 0 && sending == 0 {
		o.lock.Lock()
		o.emit(int(o.state.stream), append([]byte(nil), o.state.buffer[:n]...))
		o.lock.Unlock()
	}
	o.End()
}

// LastWords is the end of what the call has printed to standard error, as far as it was read here.
func (o *Output) LastWords() string {
	o.lock.Lock()
	defer o.lock.Unlock()
	o.drain()
	return string(o.tail)
}

func (o *Output) sayCut() {
	text := fmt.Sprintf("[hob: the log was cut here: its limit of %d bytes was reached and %d more bytes were"+
		" dropped; print less, or raise the log limit]\n", o.state.limit, o.state.dropped)
	o.send([]byte(fmt.Sprintf(`{"stream":"stderr","cut":%d}`, o.state.dropped)), []byte(text))
}

func (o *Output) pump() {
	defer close(o.done)
	for {
		o.lock.Lock()
		fds := [3]pollFD{{fd: int32(o.readers[0])}, {fd: int32(o.readers[1])}, {fd: int32(o.wake[0])}}
		o.lock.Unlock()
		waitReadable(&fds)
		if fds[2].revents != 0 {
			return
		}
		o.lock.Lock()
		o.drain()
		o.lock.Unlock()
	}
}

// drain reads what the pipes hold now, without waiting for more. A pipe whose program writes all the
// time is left after what it can hold, so that the other one has its turn.
func (o *Output) drain() {
	for stream := range o.readers {
		for round := 0; o.readers[stream] >= 0 && round < 2; round++ {
			n, err := readNow(o.readers[stream], o.state.buffer[:])
			if err != nil {
				break
			}
			if n == 0 { // an end of file would wake us for ever
				syscall.Close(o.readers[stream])
				o.readers[stream] = -1
				break
			}
			o.state.stream = int64(stream)
			atomic.StoreInt64(&o.state.pending, int64(n))
			o.emit(stream, o.state.buffer[:n])
			atomic.StoreInt64(&o.state.pending, 0)
		}
	}
}

// emit sends bytes as a log frame, up to the limit.
func (o *Output) emit(stream int, data []byte) {
	if o.state.active == 0 {
		return
	}
	if stream == 1 {
		o.remember(data)
	}
	kept := data
	if int64(len(data)) > o.state.room {
		kept = wholeCharacters(data, int(o.state.room))
		o.state.room = 0
		o.state.dropped += int64(len(data) - len(kept))
	} else {
		o.state.room -= int64(len(data))
	}
	if len(kept) > 0 {
		o.send(streamHeaders[stream], kept)
	}
}

func (o *Output) remember(data []byte) {
	o.tail = append(o.tail, data...)
	if over := len(o.tail) - tailSize; over > 0 {
		o.tail = append(o.tail[:0], o.tail[over:]...)
	}
}

// send ends the slot when the daemon has hung up: nobody is left to print for.
func (o *Output) send(header, raw []byte) {
	if o.conn.Send(wire.Log, header, raw) != nil {
		syscall.Exit(0)
	}
}

// wholeCharacters is the first `size` bytes of UTF-8, less a character that would be cut in two.
func wholeCharacters(data []byte, size int) []byte {
	for end := size; end > 0 && end > size-utf8.UTFMax; end-- {
		if utf8.RuneStart(data[end]) {
			return data[:end]
		}
	}
	return data[:size]
}
