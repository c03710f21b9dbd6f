package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"hob/wire"
)

const (
	mostWaiting = 100
	causeWait   = 5 * time.Second // for the supervisor's word on a slot that has ended
	ownLogLimit = 1 << 53         // bytes of output of one call: the engine bounds its log itself
)

// alone is the daemon's part without a daemon: HTTP on a port, towards the same supervisor and slots.
type alone struct {
	load    wire.LoadHeader
	idle    chan *aloneSlot
	waiting int32
	control *wire.Conn
	slots   [mostSlots]atomic.Pointer[aloneSlot] // the newest of each number
}

// aloneSlot is a slot's connection.
type aloneSlot struct {
	number  int
	conn    *wire.Conn
	ended   chan ending   // how it ended, once it has
	dead    atomic.Bool   // it has ended, or is about to
	failure *wire.Failure // why it cannot be called, nil if it can
}

// runAlone serves until SIGTERM. The exit code is returned.
func runAlone() int {
	if err := serveAlone(); err != nil {
		return complain("", err)
	}
	return 0
}

func serveAlone() error {
	timeout, err := setting("HOB_TIMEOUT_MS", 60_000, 1, 86_400_000)
	if err != nil {
		return err
	}
	count, err := setting("HOB_CONCURRENCY", 1, 1, mostSlots)
	if err != nil {
		return err
	}
	port, err := setting("PORT", 8080, 0, 65535)
	if err != nil {
		return err
	}
	a := &alone{load: loadHeader(timeout), idle: make(chan *aloneSlot, 2*count)}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	web, err := net.Listen("tcp", net.JoinHostPort("0.0.0.0", strconv.FormatInt(port, 10)))
	if err != nil {
		return err
	}
	ended, err := a.startWorker(int(count))
	if err != nil {
		return err
	}
	server := &http.Server{Handler: a, ReadHeaderTimeout: time.Minute}
	go server.Serve(web)
	select {
	case <-signals:
	case code := <-ended:
		return fmt.Errorf("the supervisor ended with code %d", code)
	}
	_ = server.Shutdown(context.Background()) // waits for the calls in flight, each of which has a deadline
	a.control.Hangup()
	<-ended
	return nil
}

// setting reads a variable with a whole number in it.
func setting(name string, usual, least, most int64) (int64, error) {
	text := os.Getenv(name)
	if text == "" {
		return usual, nil
	}
	number, err := strconv.ParseInt(text, 10, 64)
	if err != nil || number < least || number > most {
		return 0, fmt.Errorf("%s is %q; it must be a whole number from %d to %d", name, text, least, most)
	}
	return number, nil
}

func loadHeader(timeout int64) wire.LoadHeader {
	limit := int64(ownLogLimit)
	header := wire.LoadHeader{
		Path: "/opt/hob/function", Entry: take("HOB_ENTRY"), Convention: "event-context",
		TimeoutMS: &timeout, LogLimit: &limit, Function: wire.About{Name: "function", Namespace: "default"},
	}
	if path := take("HOB_CODE"); path != "" {
		header.Path = path
	}
	if convention := take("HOB_CONVENTION"); convention != "" {
		header.Convention = convention
	}
	return header
}

// startWorker starts the supervisor, in this process, and what listens to it. Its exit code comes when it ends.
func (a *alone) startWorker(count int) (<-chan int, error) {
	directory, err := os.MkdirTemp("", "hob-")
	if err != nil {
		return nil, err
	}
	path := filepath.Join(directory, "sock")
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGCHLD)
	ended, ready := make(chan int, 1), make(chan error, 1)
	go func() {
		code := runSupervisor("unix:"+path, "alone", signals)
		os.RemoveAll(directory)
		ended <- code
	}()
	go a.accept(listener, count, ready)
	return ended, <-ready
}

// accept takes the connections of supervisor and slots. `ready` gets one word: that the first is there.
func (a *alone) accept(listener net.Listener, count int, ready chan<- error) {
	for {
		accepted, err := listener.Accept()
		if err != nil {
			ready <- err
			return
		}
		conn, err := blocking(accepted)
		if err != nil {
			continue // no descriptor was free; the supervisor starts another slot
		}
		go a.greet(conn, count, ready)
	}
}

func (a *alone) greet(conn *wire.Conn, count int, ready chan<- error) {
	frame, err := conn.Receive()
	var hello struct {
		Role string
		Slot int
	}
	if err != nil || frame.Decode(&hello) != nil || hello.Slot < 0 || hello.Slot >= mostSlots {
		conn.Close()
		return
	}
	if hello.Role == "control" {
		a.control = conn
		a.resize(count)
		ready <- nil
		a.listen(count)
		return
	}
	slot := &aloneSlot{number: hello.Slot, conn: conn, ended: make(chan ending, 1)}
	a.slots[slot.number].Store(slot)
	slot.failure = a.loadInto(slot)
	a.offer(slot)
}

// offer adds a slot to those that wait for calls. Those that died waiting are taken out, but for one
// that says why the code cannot be loaded.
func (a *alone) offer(slot *aloneSlot) {
	for n := len(a.idle); n > 0; n-- {
		select {
		case other := <-a.idle:
			if other.dead.Load() {
				other.conn.Close()
			} else {
				a.idle <- other
			}
		default:
		}
	}
	a.idle <- slot
}

// resize says how many slots there must be. One that the kernel ended for want of memory comes back by it.
func (a *alone) resize(count int) {
	_ = a.control.SendJSON(wire.Slots, map[string]int{"count": count})
}

// listen hands on how slots have ended.
func (a *alone) listen(count int) {
	for {
		frame, err := a.control.Receive()
		if err != nil {
			return
		}
		var end ending
		if frame.Kind != wire.Exited || frame.Decode(&end) != nil || end.Slot < 0 || end.Slot >= mostSlots {
			continue
		}
		if slot := a.slots[end.Slot].Load(); slot != nil {
			slot.dead.Store(true)
			select {
			case slot.ended <- end:
			default: // the end of one that never said hello
			}
		}
		if end.Cause == "out_of_memory" {
			a.resize(count)
		}
	}
}

// loadInto lets the slot load the code. A failure is answered to whoever calls.
func (a *alone) loadInto(slot *aloneSlot) *wire.Failure {
	if err := slot.conn.SendJSON(wire.Load, a.load); err != nil {
		return slot.cause()
	}
	frame, failure := slot.next()
	if failure != nil {
		return failure
	}
	var loaded wire.LoadedHeader
	if err := frame.Decode(&loaded); err != nil {
		return wire.NewFailure("protocol", "", err.Error(), "")
	}
	if loaded.Error != nil {
		fmt.Fprintf(os.Stderr, "hob: the code cannot be loaded: %s\n%s", loaded.Error.Message, loaded.Error.Traceback)
	}
	return loaded.Error
}

// next is the next frame that is not output; that goes to our own streams.
func (s *aloneSlot) next() (wire.Frame, *wire.Failure) {
	for {
		frame, err := s.conn.Receive()
		if err != nil {
			return frame, s.cause()
		}
		if frame.Kind != wire.Log {
			return frame, nil
		}
		var header struct{ Stream string }
		if frame.Decode(&header) == nil && header.Stream == "stderr" {
			os.Stderr.Write(frame.Raw)
		} else {
			os.Stdout.Write(frame.Raw)
		}
	}
}

// cause is why the slot has ended, as the supervisor says it.
func (s *aloneSlot) cause() *wire.Failure {
	s.dead.Store(true)
	select {
	case end := <-s.ended:
		message := "the function's process ended: " + end.Cause
		if end.Code != nil {
			message = fmt.Sprintf("%s, code %d", message, *end.Code)
		} else if end.Signal != nil {
			message += ", " + *end.Signal
		}
		return wire.NewFailure(end.Cause, "", message, "")
	case <-time.After(causeWait):
		return wire.NewFailure("signal", "", "the function's process is gone, and nobody knows why", "")
	}
}

// Calls.

func (a *alone) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// Before waiting: the standard library notices that a caller has gone only once it has read the body.
	first, more, err := readFirst(r.Body)
	if err != nil {
		fail(w, endedEarly(err))
		return
	}
	slot := a.acquire(w, r)
	if slot == nil {
		return
	}
	if slot.failure != nil {
		if !slot.dead.Load() {
			a.idle <- slot // it stays, and answers the next call with the same
		}
		fail(w, slot.failure)
		return
	}
	if err := a.sendCall(slot, r, first, more); err != nil {
		a.cancel(slot) // half a call is in it
		fail(w, endedEarly(err))
		return
	}
	a.answer(w, slot)
}

func endedEarly(err error) *wire.Failure {
	return wire.NewFailure(wire.BadInput, "", "the request's body ended early: "+err.Error(), "")
}

// readFirst reads a body as far as it fits into the frame that begins a call, and says whether there may be more.
func readFirst(body io.Reader) (first []byte, more bool, err error) {
	first = make([]byte, wire.Chunk)
	n, err := io.ReadFull(body, first)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return first[:n], false, nil
	}
	return first[:n], true, err
}

// acquire waits for a slot. Nil: it has answered already, or the caller has gone.
func (a *alone) acquire(w http.ResponseWriter, r *http.Request) *aloneSlot {
	defer atomic.AddInt32(&a.waiting, -1)
	if atomic.AddInt32(&a.waiting, 1) > mostWaiting && len(a.idle) == 0 {
		w.Header().Set("Retry-After", "1")
		respond(w, http.StatusTooManyRequests, wire.NewFailure("overloaded", "", "too many calls are waiting; try again later", ""))
		return nil
	}
	for {
		select {
		case slot := <-a.idle:
			if !slot.dead.Load() || slot.failure != nil {
				return slot
			}
			slot.conn.Close()
		case <-r.Context().Done():
			return nil
		}
	}
}

func (a *alone) cancel(slot *aloneSlot) {
	slot.dead.Store(true)
	_ = a.control.SendJSON(wire.Cancel, map[string]int{"slot": slot.number})
	slot.conn.Close()
}

// sendCall sends the request. An error is the caller's; a slot that has ended shows when its answer is read.
func (a *alone) sendCall(slot *aloneSlot, r *http.Request, first []byte, more bool) error {
	header := invokeHeader(a.load, r)
	header.Stream = more
	text, err := json.Marshal(header)
	if err != nil {
		return err
	}
	if slot.conn.Send(wire.Invoke, text, first) != nil || !more {
		return nil
	}
	buffer := first // it has been sent
	for {
		n, err := r.Body.Read(buffer)
		if err != nil && err != io.EOF {
			return err
		}
		var header []byte
		if err == io.EOF {
			header = []byte(`{"end":true}`)
		}
		if slot.conn.Send(wire.Body, header, buffer[:n]) != nil || err == io.EOF {
			return nil
		}
	}
}

func invokeHeader(load wire.LoadHeader, r *http.Request) wire.InvokeHeader {
	header := wire.InvokeHeader{
		ID: strconv.FormatInt(time.Now().UnixNano(), 36), TimeoutMS: load.TimeoutMS, LogLimit: load.LogLimit,
		Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Headers: [][2]string{{"host", r.Host}},
	}
	for name, values := range r.Header {
		for _, value := range values {
			header.Headers = append(header.Headers, [2]string{name, value})
		}
	}
	return header
}

// answer passes the slot's answer on and gives the slot back.
func (a *alone) answer(w http.ResponseWriter, slot *aloneSlot) {
	frame, failure := slot.next()
	if failure != nil {
		slot.conn.Close()
		fail(w, failure)
		return
	}
	var header wire.ReplyHeader
	if err := frame.Decode(&header); err != nil {
		a.cancel(slot)
		fail(w, wire.NewFailure("protocol", "", err.Error(), ""))
		return
	}
	if header.Error != nil {
		a.idle <- slot
		fail(w, header.Error)
		return
	}
	for _, each := range header.Headers {
		w.Header().Add(each[0], each[1])
	}
	w.WriteHeader(header.Status)
	_, _ = w.Write(frame.Raw) // a caller who has gone changes nothing for the slot
	if header.Stream && !passOn(w, slot) {
		slot.conn.Close()
		panic(http.ErrAbortHandler) // so that the caller sees that this is half an answer
	}
	a.idle <- slot
}

// passOn hands on a streamed body as it comes. False when the slot ended in it.
func passOn(w http.ResponseWriter, slot *aloneSlot) bool {
	for {
		if flusher, can := w.(http.Flusher); can {
			flusher.Flush()
		}
		frame, failure := slot.next()
		var header wire.BodyHeader
		if failure != nil || frame.Decode(&header) != nil {
			return false
		}
		_, _ = w.Write(frame.Raw)
		if header.End {
			return true
		}
	}
}

func fail(w http.ResponseWriter, failure *wire.Failure) {
	status := http.StatusInternalServerError
	switch failure.Kind {
	case wire.BadInput:
		status = http.StatusBadRequest
	case "timeout":
		status = http.StatusGatewayTimeout
	case "exit", "signal", "out_of_memory", "cancelled":
		status = http.StatusBadGateway
	}
	respond(w, status, failure)
}

func respond(w http.ResponseWriter, status int, failure *wire.Failure) {
	text, err := json.Marshal(map[string]*wire.Failure{"error": failure})
	if err != nil {
		status = http.StatusInternalServerError
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(text)
}
