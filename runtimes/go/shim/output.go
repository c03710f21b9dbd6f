package main

import (
	"fmt"
	"sync"
	"syscall"
	"unicode/utf8"

	"hob/wire"
)

const tailSize = 64 * 1024 // bytes of the end of standard error that are kept, to explain an end with

var streamHeaders = [2][]byte{[]byte(`{"stream":"stdout"}`), []byte(`{"stream":"stderr"}`)}

// output is what the user's program and its children print: two pipes, read here. What comes between
// begin and end belongs to a call, the rest to nobody.
type output struct {
	conn    *wire.Conn
	writers [2]int // the program's ends

	lock    sync.Mutex
	readers [2]int // our ends; -1 when the other side is closed
	active  bool
	limit   int64
	room    int64 // bytes that may still be sent for this call
	dropped int64
	buffer  []byte
	tail    []byte
}

func newOutput(conn *wire.Conn) (*output, error) {
	o := &output{conn: conn, buffer: make([]byte, wire.Chunk)}
	for stream := range o.readers {
		var pipe [2]int
		if err := syscall.Pipe2(pipe[:], syscall.O_CLOEXEC); err != nil {
			return nil, err
		}
		if err := syscall.SetNonblock(pipe[0], true); err != nil {
			return nil, err
		}
		o.readers[stream], o.writers[stream] = pipe[0], pipe[1]
	}
	go o.pump()
	return o, nil
}

// begin lets output belong to a call, at most `limit` bytes of it.
func (o *output) begin(limit int64) {
	o.lock.Lock()
	defer o.lock.Unlock()
	o.drain()
	o.active, o.limit, o.room, o.dropped = true, limit, limit, 0
	o.tail = o.tail[:0]
}

// end sends what is left and says what was dropped.
func (o *output) end() {
	o.lock.Lock()
	defer o.lock.Unlock()
	o.drain()
	if o.dropped > 0 {
		o.sayCut()
	}
	o.active = false
}

// lastWords is the end of what the call has printed to standard error.
func (o *output) lastWords() string {
	o.lock.Lock()
	defer o.lock.Unlock()
	return string(o.tail)
}

func (o *output) sayCut() {
	text := fmt.Sprintf("[hob: the log was cut here: its limit of %d bytes was reached and %d more bytes were"+
		" dropped; print less, or raise the log limit]\n", o.limit, o.dropped)
	o.send(wire.Log, []byte(fmt.Sprintf(`{"stream":"stderr","cut":%d}`, o.dropped)), []byte(text))
}

func (o *output) pump() {
	for {
		o.lock.Lock()
		fds := []pollFD{{fd: int32(o.readers[0])}, {fd: int32(o.readers[1])}}
		o.lock.Unlock()
		waitReadable(fds)
		o.lock.Lock()
		o.drain()
		o.lock.Unlock()
	}
}

// drain reads what the pipes hold now, without waiting for more. A pipe whose program writes all the
// time is left after what it can hold, so that the other one has its turn.
func (o *output) drain() {
	for stream, fd := range o.readers {
		for round := 0; fd >= 0 && round < 2; round++ {
			n, err := readNow(fd, o.buffer)
			if err != nil {
				break
			}
			if n == 0 { // an end of file would wake us for ever
				syscall.Close(fd)
				o.readers[stream] = -1
				break
			}
			o.emit(stream, o.buffer[:n])
		}
	}
}

// emit sends bytes as a log frame, up to the limit.
func (o *output) emit(stream int, data []byte) {
	if !o.active {
		return
	}
	if stream == 1 {
		o.remember(data)
	}
	kept := data
	if int64(len(data)) > o.room {
		kept = wholeCharacters(data, int(o.room))
		o.room = 0
		o.dropped += int64(len(data) - len(kept))
	} else {
		o.room -= int64(len(data))
	}
	if len(kept) > 0 {
		o.send(wire.Log, streamHeaders[stream], kept)
	}
}

func (o *output) remember(data []byte) {
	o.tail = append(o.tail, data...)
	if over := len(o.tail) - tailSize; over > 0 {
		o.tail = append(o.tail[:0], o.tail[over:]...)
	}
}

// send ends the slot when the daemon has hung up: nobody is left to print for.
func (o *output) send(kind byte, header, raw []byte) {
	if o.conn.Send(kind, header, raw) != nil {
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
