package nuclio

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// ErrUnsupported is returned for what an event of this kind does not have.
var ErrUnsupported = errors.New("this event does not have that")

// ErrTypeConversion is returned for a header or a field that is not a number.
var ErrTypeConversion = errors.New("the value is not of this type")

// ID names an event.
type ID string

// NewID returns a random one, a UUID of version 4.
func NewID() ID {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic(err) // the kernel's generator does not fail
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return ID(fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]))
}

func (id ID) String() string { return string(id) }

// TriggerInfoProvider says what made an event.
type TriggerInfoProvider interface {
	GetClass() string
	GetKind() string
	GetName() string
}

// Event is what a function is called with.
type Event interface {
	GetID() ID
	SetID(ID)
	SetTriggerInfoProvider(TriggerInfoProvider)
	GetTriggerInfo() TriggerInfoProvider
	GetContentType() string
	GetBody() []byte
	GetBodyObject() interface{}
	GetSize() int
	GetHeader(string) interface{}
	GetHeaderByteSlice(string) []byte
	GetHeaderString(string) string
	GetHeaderInt(string) (int, error)
	GetHeaders() map[string]interface{}
	GetField(string) interface{}
	GetFieldByteSlice(string) []byte
	GetFieldString(string) string
	GetFieldInt(string) (int, error)
	GetFields() map[string]interface{}
	GetTimestamp() time.Time
	GetPath() string
	GetURL() string
	GetMethod() string
	GetShardID() int
	GetTotalNumShards() int
	GetType() string
	GetTypeVersion() string
	GetVersion() string
	GetLastInBatch() bool
	GetOffset() int
	GetTopic() string
}

// AbstractEvent answers everything with nothing: to be embedded by events that know some of it.
type AbstractEvent struct {
	id      ID
	trigger TriggerInfoProvider
}

// GetID returns the event's name.
func (e *AbstractEvent) GetID() ID { return e.id }

// SetID names the event.
func (e *AbstractEvent) SetID(id ID) { e.id = id }

// SetTriggerInfoProvider says what made the event.
func (e *AbstractEvent) SetTriggerInfoProvider(trigger TriggerInfoProvider) { e.trigger = trigger }

// GetTriggerInfo returns what made the event.
func (e *AbstractEvent) GetTriggerInfo() TriggerInfoProvider { return e.trigger }

// GetContentType returns the type of the body.
func (e *AbstractEvent) GetContentType() string { return "" }

// GetBody returns the body's bytes.
func (e *AbstractEvent) GetBody() []byte { return nil }

// GetBodyObject returns the body as something more than bytes, where a trigger has it.
func (e *AbstractEvent) GetBodyObject() interface{} { return nil }

// GetSize returns the number of bytes of the body.
func (e *AbstractEvent) GetSize() int { return 0 }

// GetHeader returns a header's value, nil if there is none.
func (e *AbstractEvent) GetHeader(string) interface{} { return nil }

// GetHeaderByteSlice returns a header's value as bytes.
func (e *AbstractEvent) GetHeaderByteSlice(string) []byte { return nil }

// GetHeaderString returns a header's value as text.
func (e *AbstractEvent) GetHeaderString(string) string { return "" }

// GetHeaderInt returns a header's value as a number.
func (e *AbstractEvent) GetHeaderInt(string) (int, error) { return 0, ErrTypeConversion }

// GetHeaders returns all headers.
func (e *AbstractEvent) GetHeaders() map[string]interface{} { return nil }

// GetField returns a parameter of the query, nil if there is none.
func (e *AbstractEvent) GetField(string) interface{} { return nil }

// GetFieldByteSlice returns a parameter of the query as bytes.
func (e *AbstractEvent) GetFieldByteSlice(string) []byte { return nil }

// GetFieldString returns a parameter of the query as text.
func (e *AbstractEvent) GetFieldString(string) string { return "" }

// GetFieldInt returns a parameter of the query as a number.
func (e *AbstractEvent) GetFieldInt(string) (int, error) { return 0, ErrUnsupported }

// GetFields returns all parameters of the query.
func (e *AbstractEvent) GetFields() map[string]interface{} { return nil }

// GetTimestamp returns when the event came.
func (e *AbstractEvent) GetTimestamp() time.Time { return time.Time{} }

// GetPath returns the path that was asked for.
func (e *AbstractEvent) GetPath() string { return "" }

// GetURL returns the address that was asked for, where a trigger has one.
func (e *AbstractEvent) GetURL() string { return "" }

// GetMethod returns the method of the request.
func (e *AbstractEvent) GetMethod() string { return "" }

// GetShardID returns which part of a stream the event is from.
func (e *AbstractEvent) GetShardID() int { return -1 }

// GetTotalNumShards returns how many parts that stream has.
func (e *AbstractEvent) GetTotalNumShards() int { return 0 }

// GetType returns the type of a cloud event.
func (e *AbstractEvent) GetType() string { return "" }

// GetTypeVersion returns the version of that type.
func (e *AbstractEvent) GetTypeVersion() string { return "" }

// GetVersion returns the version of the event's form.
func (e *AbstractEvent) GetVersion() string { return "" }

// GetLastInBatch says whether the event is the last of its batch.
func (e *AbstractEvent) GetLastInBatch() bool { return false }

// GetOffset returns the event's place in a stream.
func (e *AbstractEvent) GetOffset() int { return 0 }

// GetTopic returns the event's topic in a stream.
func (e *AbstractEvent) GetTopic() string { return "" }

// MemoryEvent is an event made by hand, in tests for example.
type MemoryEvent struct {
	AbstractEvent
	Method      string
	ContentType string
	Body        []byte
	Headers     map[string]interface{}
	Path        string
}

// GetMethod returns the method, by default GET without a body and POST with one.
func (e *MemoryEvent) GetMethod() string {
	switch {
	case e.Method != "":
		return e.Method
	case len(e.Body) == 0:
		return "GET"
	}
	return "POST"
}

// GetContentType returns the type of the body, by default plain text.
func (e *MemoryEvent) GetContentType() string {
	if e.ContentType == "" {
		return "text/plain"
	}
	return e.ContentType
}

// GetBody returns the body's bytes.
func (e *MemoryEvent) GetBody() []byte { return e.Body }

// GetSize returns the number of bytes of the body.
func (e *MemoryEvent) GetSize() int { return len(e.Body) }

// GetPath returns the path.
func (e *MemoryEvent) GetPath() string { return e.Path }

// GetHeaders returns all headers.
func (e *MemoryEvent) GetHeaders() map[string]interface{} { return e.Headers }

// GetHeader returns a header's value, an empty text if there is none.
func (e *MemoryEvent) GetHeader(name string) interface{} {
	if value, found := e.Headers[name]; found {
		return value
	}
	return ""
}

// GetHeaderString returns a header's value as text.
func (e *MemoryEvent) GetHeaderString(name string) string { return fmt.Sprint(e.GetHeader(name)) }

// GetHeaderByteSlice returns a header's value as bytes.
func (e *MemoryEvent) GetHeaderByteSlice(name string) []byte { return []byte(e.GetHeaderString(name)) }

// GetHeaderInt returns a header's value as a number.
func (e *MemoryEvent) GetHeaderInt(name string) (int, error) {
	number, err := strconv.Atoi(e.GetHeaderString(name))
	if err != nil {
		return 0, ErrTypeConversion
	}
	return number, nil
}
