package capture

import (
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

const (
	clockMonotonic = 1
	eventSignal    = 0 // SIGEV_SIGNAL
)

// Deadline ends this process when its time is over, whatever it is doing then. The kernel does it with
// SIGKILL, because a program may catch any other signal; the state says that it was the deadline.
type Deadline struct {
	state *State
	timer int32
}

// NewDeadline makes one that is not armed.
func NewDeadline(state *State) (*Deadline, error) {
	event := struct {
		value  uint64
		signal int32
		notify int32
		_      [48]byte
	}{signal: int32(syscall.SIGKILL), notify: eventSignal}
	d := &Deadline{state: state}
	_, _, errno := syscall.RawSyscall(syscall.SYS_TIMER_CREATE, clockMonotonic,
		uintptr(unsafe.Pointer(&event)), uintptr(unsafe.Pointer(&d.timer)))
	if errno != 0 {
		return nil, errno
	}
	return d, nil
}

// Arm sets the deadline in so many milliseconds.
func (d *Deadline) Arm(milliseconds int64) {
	atomic.StoreInt64(&d.state.deadline, now()+milliseconds*int64(time.Millisecond))
	d.set(milliseconds)
}

// Disarm takes it back.
func (d *Deadline) Disarm() {
	d.set(0)
	atomic.StoreInt64(&d.state.deadline, 0)
}

func (d *Deadline) set(milliseconds int64) {
	var timer [2]syscall.Timespec // the interval, and the time until it fires first
	timer[1] = syscall.NsecToTimespec(milliseconds * int64(time.Millisecond))
	syscall.RawSyscall6(syscall.SYS_TIMER_SETTIME, uintptr(d.timer), 0, uintptr(unsafe.Pointer(&timer)), 0, 0, 0)
}

// Passed says whether the program with this state was still in its call at its deadline.
func (s *State) Passed() bool {
	deadline := atomic.LoadInt64(&s.deadline)
	return deadline != 0 && now() >= deadline
}

func now() int64 {
	var time syscall.Timespec
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic, uintptr(unsafe.Pointer(&time)), 0)
	return time.Nano()
}
