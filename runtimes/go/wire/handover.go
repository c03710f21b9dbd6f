package wire

import (
	"errors"
	"syscall"
)

// HandOver is what a program gets to answer the daemon itself: descriptors, -1 for one that is closed.
type HandOver struct {
	Stdout     int // where to read what is printed
	Stderr     int
	State      int // of capture.State
	Complaints int // the engine's log, for what is wrong with the daemon's frames
}

// SendHandOver sends the descriptors, and that of the daemon's connection.
func (c *Conn) SendHandOver(daemon *Conn, message HandOver) error {
	var present [4]byte
	descriptors := []int{daemon.fd}
	for at, fd := range []int{message.Stdout, message.Stderr, message.State, message.Complaints} {
		if fd >= 0 {
			present[at] = 1
			descriptors = append(descriptors, fd)
		}
	}
	return syscall.Sendmsg(c.fd, present[:], syscall.UnixRights(descriptors...), nil, 0)
}

// ReceiveHandOver waits for the descriptors. The connection is of no more use then.
func (c *Conn) ReceiveHandOver() (*Conn, HandOver, error) {
	var present [4]byte
	rights := make([]byte, syscall.CmsgSpace(5*4))
	n, nRights, _, _, err := syscall.Recvmsg(c.fd, present[:], rights, syscall.MSG_CMSG_CLOEXEC)
	for err == syscall.EINTR {
		n, nRights, _, _, err = syscall.Recvmsg(c.fd, present[:], rights, syscall.MSG_CMSG_CLOEXEC)
	}
	if err != nil {
		return nil, HandOver{}, err
	}
	if n != len(present) {
		return nil, HandOver{}, errNothing
	}
	return unpack(present, rights[:nRights])
}

var errNothing = errors.New("nothing was handed over")

func unpack(present [4]byte, rights []byte) (*Conn, HandOver, error) {
	messages, err := syscall.ParseSocketControlMessage(rights)
	if err != nil || len(messages) == 0 {
		return nil, HandOver{}, errNothing
	}
	descriptors, err := syscall.ParseUnixRights(&messages[0])
	if err != nil || len(descriptors) == 0 {
		return nil, HandOver{}, errNothing
	}
	daemon, rest := New(descriptors[0]), descriptors[1:]
	var message HandOver
	for at, field := range []*int{&message.Stdout, &message.Stderr, &message.State, &message.Complaints} {
		*field = -1
		if present[at] == 1 && len(rest) > 0 {
			*field, rest = rest[0], rest[1:]
		}
	}
	return daemon, message, nil
}
