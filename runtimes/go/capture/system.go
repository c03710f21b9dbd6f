package capture

import (
	"syscall"
	"unsafe"
)

const (
	pollIn    = 1
	realTimer = 0 // ITIMER_REAL
)

type pollFD struct {
	fd      int32
	events  int16
	revents int16
}

// waitReadable sleeps until one of the descriptors can be read. Those below 0 are left out.
func waitReadable(fds *[3]pollFD) {
	for at := range fds {
		fds[at].events = pollIn
	}
	syscall.Syscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(fds)), uintptr(len(fds)), 0, 0, 0, 0)
}

// readNow reads what is there from a non-blocking descriptor. 0 bytes and no error: its end.
func readNow(fd int, into []byte) (int, error) {
	n, _, errno := syscall.RawSyscall(syscall.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&into[0])), uintptr(len(into)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// DefaultAction lets the kernel act on a signal without us: the language's runtime catches them all.
func DefaultAction(signal syscall.Signal) {
	var action [4]uint64 // handler, flags, restorer, mask; all zero is SIG_DFL
	syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(signal), uintptr(unsafe.Pointer(&action)), 0, 8, 0, 0)
}

// Arm lets the kernel end this process in so many milliseconds. 0 disarms.
func Arm(milliseconds int64) {
	timer := [2]syscall.Timeval{1: syscall.NsecToTimeval(milliseconds * 1e6)}
	syscall.RawSyscall(syscall.SYS_SETITIMER, realTimer, uintptr(unsafe.Pointer(&timer)), 0)
}
