package main

import (
	"fmt"
	"syscall"
	"unsafe"
)

const (
	prSetChildSubreaper = 36
	waitAll             = 0 // P_ALL
	waitExited          = 4 // WEXITED
	waitNoReap          = 0x01000000
	duplicateCloexec    = 1030
)

func duplicate(fd int) (int, error) {
	copied, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), duplicateCloexec, 3)
	if errno != 0 {
		return -1, errno
	}
	return int(copied), nil
}

// adoptOrphans asks for what PID 1 gets anyway: tests run outside a container.
func adoptOrphans() {
	syscall.RawSyscall(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0)
}

// nextDead is a child that has ended and is not reaped yet. 0: none now.
func nextDead() int {
	var info [32]int32 // siginfo_t; on 64-bit machines si_pid is the fifth number of 32 bits
	_, _, errno := syscall.Syscall6(syscall.SYS_WAITID, waitAll, 0, uintptr(unsafe.Pointer(&info)),
		waitExited|syscall.WNOHANG|waitNoReap, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(info[4])
}

// killGroup ends a whole process group. The leader is named too: it may be too young to lead.
func killGroup(leader int) {
	syscall.Kill(-leader, syscall.SIGKILL)
	syscall.Kill(leader, syscall.SIGKILL)
}

var signalNames = map[syscall.Signal]string{
	syscall.SIGABRT: "SIGABRT", syscall.SIGALRM: "SIGALRM", syscall.SIGBUS: "SIGBUS", syscall.SIGFPE: "SIGFPE",
	syscall.SIGHUP: "SIGHUP", syscall.SIGILL: "SIGILL", syscall.SIGINT: "SIGINT", syscall.SIGIO: "SIGIO",
	syscall.SIGKILL: "SIGKILL", syscall.SIGPIPE: "SIGPIPE", syscall.SIGPROF: "SIGPROF", syscall.SIGPWR: "SIGPWR",
	syscall.SIGQUIT: "SIGQUIT", syscall.SIGSEGV: "SIGSEGV", syscall.SIGSTKFLT: "SIGSTKFLT", syscall.SIGSYS: "SIGSYS",
	syscall.SIGTERM: "SIGTERM", syscall.SIGTRAP: "SIGTRAP", syscall.SIGUSR1: "SIGUSR1", syscall.SIGUSR2: "SIGUSR2",
	syscall.SIGVTALRM: "SIGVTALRM", syscall.SIGXCPU: "SIGXCPU", syscall.SIGXFSZ: "SIGXFSZ",
}

func signalName(signal syscall.Signal) string {
	if name, known := signalNames[signal]; known {
		return name
	}
	return fmt.Sprintf("SIG%d", int(signal))
}
