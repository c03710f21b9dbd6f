package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"

	"hob/wire"
)

const (
	stragglersWait = 500 * time.Millisecond // how long to wait for killed processes to be gone
	startFor       = 10 * time.Second       // how long to keep trying to start a process
	young          = 100 * time.Millisecond // a slot that dies younger than this was not used
	mostSlots      = 1024
)

// place is where a slot runs, or will run again.
type place struct {
	pid         int // 0: nobody there
	born        time.Time
	cancelled   bool
	wanted      bool
	startAt     time.Time
	youngDeaths int
}

// supervisor keeps the slots alive and says how they ended. One goroutine does all of it; others only
// bring it what was received.
type supervisor struct {
	address, token string
	control        *wire.Conn
	places         map[int]*place
	oomKills       int
	failingSince   time.Time // since when no process could be started; zero: it can
	signals        <-chan os.Signal
	frames         chan received
}

// received is a frame of the control connection, copied, or the end of it.
type received struct {
	kind   byte
	number *int // `count` or `slot`
	err    error
}

func systemSignals() <-chan os.Signal {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGCHLD, syscall.SIGTERM, syscall.SIGINT)
	return signals
}

// runSupervisor runs until the daemon hangs up or SIGTERM comes. The exit code is returned.
func runSupervisor(address, token string, signals <-chan os.Signal) int {
	adoptOrphans()
	s := &supervisor{
		address: address, token: token, places: map[int]*place{}, oomKills: oomKills(),
		signals: signals, frames: make(chan received),
	}
	err := s.run()
	s.endAll()
	if err != nil {
		return complain("", err)
	}
	return 0
}

func (s *supervisor) run() (err error) {
	s.want(0) // before anything is said: a pre-warmed worker then loads without waiting for it
	if err = s.startDue(); err != nil {
		return err
	}
	if s.control, err = dial(s.address); err != nil {
		return err
	}
	if err = s.control.SendJSON(wire.Hello, s.hello()); err != nil {
		return err
	}
	go s.listen()
	for {
		stop, err := s.wait()
		if stop || err != nil {
			return err
		}
		if err := s.startDue(); err != nil {
			return err
		}
	}
}

func (s *supervisor) hello() any {
	return map[string]any{
		"protocol": wire.Protocol, "role": "control", "token": s.token, "runtime": "go",
		"version":     strings.TrimPrefix(strings.Fields(runtime.Version())[0], "go"),
		"conventions": []string{"context-event", "event-context", "kwargs"},
	}
}

// wait sleeps until something has happened, and does what it asks for. True: it is time to end.
func (s *supervisor) wait() (bool, error) {
	var late <-chan time.Time
	if at, due := s.nextStart(); due {
		timer := time.NewTimer(time.Until(at))
		defer timer.Stop()
		late = timer.C
	}
	select {
	case signal := <-s.signals:
		if signal != syscall.SIGCHLD {
			return true, nil
		}
		s.reap()
	case frame := <-s.frames:
		if frame.err == io.EOF || errors.Is(frame.err, syscall.EPIPE) {
			return true, nil
		}
		if frame.err != nil {
			return true, frame.err
		}
		return false, s.act(frame)
	case <-late:
	}
	return false, nil
}

// What the daemon says.

func (s *supervisor) listen() {
	for {
		frame, err := s.control.Receive()
		var header struct{ Count, Slot *int }
		if err == nil {
			err = frame.Decode(&header)
		}
		number := header.Count
		if frame.Kind == wire.Cancel {
			number = header.Slot
		}
		s.frames <- received{kind: frame.Kind, number: number, err: err}
		if err != nil {
			return
		}
	}
}

func (s *supervisor) act(frame received) error {
	switch frame.kind {
	case wire.Ping:
		s.tell(wire.Pong, struct{}{})
		return nil
	case wire.Slots, wire.Cancel:
		if frame.number == nil || *frame.number < 0 || *frame.number > mostSlots {
			return wire.ProtocolError(fmt.Sprintf("`count` and `slot` must be whole numbers up to %d", mostSlots))
		}
		if frame.kind == wire.Slots {
			s.resize(*frame.number)
		} else if place, known := s.places[*frame.number]; known {
			cancel(place)
		}
		return nil
	case wire.Load:
		return wire.ProtocolError("code over the wire is not part of version 1; mount it at /hob/code")
	}
	return wire.ProtocolError(fmt.Sprintf("frame type %d on the control connection", frame.kind))
}

func (s *supervisor) resize(count int) {
	for number := 0; number < count; number++ {
		s.want(number)
	}
	for number, place := range s.places {
		if number >= count {
			place.wanted = false
			cancel(place)
		}
	}
}

func cancel(place *place) {
	if place.pid != 0 {
		place.cancelled = true
		killGroup(place.pid)
	}
}

// tell loses what it says when the daemon has gone: the end of the connection is seen by `listen`.
func (s *supervisor) tell(kind byte, header any) {
	_ = s.control.SendJSON(kind, header)
}

// Starting slots.

func (s *supervisor) want(number int) {
	if s.places[number] == nil {
		s.places[number] = &place{}
	}
	if !s.places[number].wanted {
		s.places[number].wanted, s.places[number].startAt = true, time.Time{}
	}
}

func (s *supervisor) due() []int {
	var numbers []int
	for number, place := range s.places {
		if place.wanted && place.pid == 0 {
			numbers = append(numbers, number)
		}
	}
	sort.Slice(numbers, func(i, j int) bool {
		a, b := s.places[numbers[i]].startAt, s.places[numbers[j]].startAt
		return a.Before(b) || a.Equal(b) && numbers[i] < numbers[j]
	})
	return numbers
}

func (s *supervisor) nextStart() (time.Time, bool) {
	if due := s.due(); len(due) > 0 {
		return s.places[due[0]].startAt, true
	}
	return time.Time{}, false
}

func (s *supervisor) startDue() error {
	now := time.Now()
	for _, number := range s.due() {
		place := s.places[number]
		if place.startAt.After(now) {
			return nil
		}
		pid, err := s.start(number)
		if err != nil {
			return s.waitForRoom(place, now, err)
		}
		place.pid, place.born, place.cancelled = pid, now, false
		s.failingSince = time.Time{}
	}
	return nil
}

func (s *supervisor) start(number int) (int, error) {
	environment := append(os.Environ(), "HOB_DIAL="+s.address, "HOB_TOKEN="+s.token, "HOB_SLOT="+strconv.Itoa(number))
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	return syscall.ForkExec("/proc/self/exe", []string{"shim"}, &syscall.ProcAttr{
		Env: environment, Files: []uintptr{null.Fd(), 1, 2}, Sys: &syscall.SysProcAttr{Setsid: true},
	})
}

// waitForRoom is for when somebody has filled the container with processes.
func (s *supervisor) waitForRoom(place *place, now time.Time, cause error) error {
	if s.failingSince.IsZero() {
		s.failingSince = now
	}
	waited := now.Sub(s.failingSince)
	if waited > startFor {
		return fmt.Errorf("no process could be started for %v: %w", waited.Round(time.Second), cause)
	}
	s.endOrphans()
	place.startAt = now.Add(between(10*time.Millisecond, waited, time.Second))
	return nil
}

func between(low, value, high time.Duration) time.Duration {
	switch {
	case value < low:
		return low
	case value > high:
		return high
	}
	return value
}

// Their ends.

// reap looks at the dead before burying them: until then a group's number cannot be used again.
func (s *supervisor) reap() {
	for pid := nextDead(); pid != 0; pid = nextDead() {
		number, place := s.at(pid)
		if place != nil {
			killGroup(pid)
		}
		status, err := bury(pid)
		if err != nil {
			return
		}
		if place != nil {
			s.ended(number, place, status)
		}
	}
}

func bury(pid int) (status syscall.WaitStatus, err error) {
	for {
		_, err = syscall.Wait4(pid, &status, 0, nil)
		if err != syscall.EINTR {
			return status, err
		}
	}
}

func (s *supervisor) at(pid int) (int, *place) {
	for number, place := range s.places {
		if place.pid == pid {
			return number, place
		}
	}
	return 0, nil
}

// ending is the frame `exited`.
type ending struct {
	Slot   int     `json:"slot"`
	Cause  string  `json:"cause"`
	Code   *int    `json:"code"`
	Signal *string `json:"signal"`
}

func (s *supervisor) ended(number int, place *place, status syscall.WaitStatus) {
	place.pid = 0
	report := s.explain(place, status)
	report.Slot = number
	s.endOrphans()
	s.planNext(place, report.Cause)
	if s.control != nil {
		s.tell(wire.Exited, report)
	}
}

func (s *supervisor) explain(place *place, status syscall.WaitStatus) ending {
	before := s.oomKills
	s.oomKills = oomKills()
	if !status.Signaled() {
		code := status.ExitStatus()
		cause := "exit"
		if place.cancelled {
			cause = "cancelled"
		}
		return ending{Cause: cause, Code: &code}
	}
	name := signalName(status.Signal())
	cause := "signal"
	switch {
	case place.cancelled:
		cause = "cancelled"
	case status.Signal() == syscall.SIGALRM:
		cause = "timeout"
	case status.Signal() == syscall.SIGKILL && s.oomKills > before:
		cause = "out_of_memory"
	}
	return ending{Cause: cause, Signal: &name}
}

// planNext starts the next one at once, unless slots keep dying unused: then slower and slower, up to
// one a second.
func (s *supervisor) planNext(place *place, cause string) {
	now := time.Now()
	place.youngDeaths++
	if now.Sub(place.born) >= young {
		place.youngDeaths = 0
	}
	if cause == "out_of_memory" {
		place.wanted = false
	}
	place.startAt = now
	if late := place.youngDeaths - 5; late > 0 {
		if late > 10 {
			late = 10
		}
		place.startAt = now.Add(between(0, 50*time.Millisecond<<late, time.Second))
	}
}

// endOrphans kills and reaps what dead slots have left behind: each child of ours that no living slot
// leads. Done when none is left: a child is ours until it is reaped, and reaped only after its own
// children have become ours.
func (s *supervisor) endOrphans() {
	if os.Getpid() == 1 && !s.anybody() {
		killEverybody()
	}
	for deadline := time.Now().Add(stragglersWait); time.Now().Before(deadline); {
		strangers := s.strangers()
		if len(strangers) == 0 {
			return
		}
		for _, pid := range strangers {
			killGroup(pid)
		}
		for _, pid := range strangers {
			buryWithin(pid, 5*time.Millisecond)
		}
	}
	if os.Getpid() == 1 {
		killEverybody() // they multiply faster than we look: the neighbours are lost too
	}
}

func (s *supervisor) anybody() bool {
	for _, place := range s.places {
		if place.pid != 0 {
			return true
		}
	}
	return false
}

func (s *supervisor) strangers() []int {
	slots := map[int]bool{}
	for _, place := range s.places {
		slots[place.pid] = true
	}
	var found []int
	for _, child := range children() {
		if !slots[child.pid] && !slots[child.session] {
			found = append(found, child.pid)
		}
	}
	return found
}

// killEverybody ends all but us with one system call: even those that start faster than we can look.
func killEverybody() { syscall.Kill(-1, syscall.SIGKILL) }

// buryWithin reaps one that was killed, if it dies soon enough.
func buryWithin(pid int, patience time.Duration) {
	for deadline := time.Now().Add(patience); ; time.Sleep(200 * time.Microsecond) {
		buried, err := syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
		if buried == pid || err == syscall.ECHILD || time.Now().After(deadline) {
			return
		}
	}
}

// endAll leaves no process behind. It says nothing: whoever could hear it is gone.
func (s *supervisor) endAll() {
	for _, place := range s.places {
		if place.pid != 0 {
			killGroup(place.pid)
		}
		place.pid = 0
	}
	s.endOrphans()
}
