package nuclio

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	loggers "github.com/nuclio/logger"
)

// The levels, the least important first; their letters are those of the real server's console.
const (
	debug = iota
	info
	warn
	severe
)

const nameWidth = 24 // of the logger's name in a line

var levelNames = []string{"debug", "info", "warn", "error"}

// levelOf reads a level. Empty and unknown ones mean debug.
func levelOf(name string) int {
	for level, known := range levelNames {
		if strings.EqualFold(name, known) {
			return level
		}
	}
	return debug
}

// log is where all loggers of a slot write to: the call's standard error, and the answer's header
// when the caller asked for it.
type log struct {
	level int // from which on records are written

	lock    sync.Mutex
	collect bool
	from    int // from which level on they are collected
	kept    []json.RawMessage
}

func (l *log) begin(level string, collect bool) {
	l.lock.Lock()
	defer l.lock.Unlock()
	l.collect, l.from, l.kept = collect, levelOf(level), nil
}

// records is what was collected, as a JSON array in one line; empty when nobody asked.
func (l *log) records() string {
	l.lock.Lock()
	defer l.lock.Unlock()
	if !l.collect {
		return ""
	}
	if l.kept == nil {
		return "[]"
	}
	text, err := jsonOf(l.kept)
	if err != nil {
		return ""
	}
	return ascii(text)
}

func (l *log) add(level int, name, message string, fields []interface{}) {
	now := time.Now()
	if level >= l.level {
		fmt.Fprintf(os.Stderr, "%s %*s (%c) %s%s\n", now.Format("06.01.02 15:04:05.000"), nameWidth, name,
			levelNames[level][0]-'a'+'A', message, suffix(fields))
	}
	l.lock.Lock()
	defer l.lock.Unlock()
	if l.collect && level >= l.from {
		l.kept = append(l.kept, record(now, level, name, message, fields))
	}
}

func suffix(fields []interface{}) string {
	if len(fields) < 2 {
		return ""
	}
	return " {" + string(members(fields)) + "}"
}

func record(now time.Time, level int, name, message string, fields []interface{}) json.RawMessage {
	text := members([]interface{}{"level", levelNames[level], "time", float64(now.UnixMicro()) / 1000,
		"name", name, "message", message})
	if len(fields) >= 2 {
		text = append(append(text, ','), members(fields)...)
	}
	return append(append([]byte{'{'}, text...), '}')
}

// members are names and values in turn as the inside of a JSON object. What JSON cannot say becomes text.
func members(fields []interface{}) []byte {
	var text []byte
	for at := 0; at+1 < len(fields); at += 2 {
		if at > 0 {
			text = append(text, ',')
		}
		name, _ := jsonOf(fmt.Sprint(fields[at]))
		value, err := jsonOf(plain(fields[at+1]))
		if err != nil {
			value, _ = jsonOf(fmt.Sprint(fields[at+1]))
		}
		text = append(append(append(text, name...), ':'), value...)
	}
	return text
}

func plain(value interface{}) interface{} {
	if err, is := value.(error); is {
		return err.Error()
	}
	return value
}

func jsonOf(value interface{}) ([]byte, error) {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buffer.Bytes(), []byte("\n")), nil
}

// ascii says JSON in characters that a header may hold.
func ascii(text []byte) string {
	var out strings.Builder
	for _, r := range string(text) {
		switch {
		case r < 0x7f:
			out.WriteRune(r)
		case r > 0xffff:
			r -= 0x10000
			fmt.Fprintf(&out, "\\u%04x\\u%04x", 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			fmt.Fprintf(&out, "\\u%04x", r)
		}
	}
	return out.String()
}

// logger is the SDK's interface over a log.
type logger struct {
	log  *log
	name string
}

func (l *logger) plain(level int, format interface{}, vars []interface{}) {
	message := fmt.Sprint(format)
	if len(vars) > 0 {
		message = fmt.Sprintf(message, vars...)
	}
	l.log.add(level, l.name, message, nil)
}

func (l *logger) with(level int, format interface{}, vars []interface{}) {
	l.log.add(level, l.name, fmt.Sprint(format), vars)
}

func (l *logger) Error(f interface{}, v ...interface{}) { l.plain(severe, f, v) }
func (l *logger) Warn(f interface{}, v ...interface{})  { l.plain(warn, f, v) }
func (l *logger) Info(f interface{}, v ...interface{})  { l.plain(info, f, v) }
func (l *logger) Debug(f interface{}, v ...interface{}) { l.plain(debug, f, v) }

func (l *logger) ErrorCtx(_ context.Context, f interface{}, v ...interface{}) { l.plain(severe, f, v) }
func (l *logger) WarnCtx(_ context.Context, f interface{}, v ...interface{})  { l.plain(warn, f, v) }
func (l *logger) InfoCtx(_ context.Context, f interface{}, v ...interface{})  { l.plain(info, f, v) }
func (l *logger) DebugCtx(_ context.Context, f interface{}, v ...interface{}) { l.plain(debug, f, v) }

func (l *logger) ErrorWith(f interface{}, v ...interface{}) { l.with(severe, f, v) }
func (l *logger) WarnWith(f interface{}, v ...interface{})  { l.with(warn, f, v) }
func (l *logger) InfoWith(f interface{}, v ...interface{})  { l.with(info, f, v) }
func (l *logger) DebugWith(f interface{}, v ...interface{}) { l.with(debug, f, v) }

func (l *logger) ErrorWithCtx(_ context.Context, f interface{}, v ...interface{}) {
	l.with(severe, f, v)
}
func (l *logger) WarnWithCtx(_ context.Context, f interface{}, v ...interface{}) { l.with(warn, f, v) }
func (l *logger) InfoWithCtx(_ context.Context, f interface{}, v ...interface{}) { l.with(info, f, v) }
func (l *logger) DebugWithCtx(_ context.Context, f interface{}, v ...interface{}) {
	l.with(debug, f, v)
}

// Flush does nothing: nothing is held back.
func (l *logger) Flush() {}

// GetChild returns a logger whose records carry the name.
func (l *logger) GetChild(name string) loggers.Logger {
	if l.name != "" {
		name = l.name + "." + name
	}
	return &logger{log: l.log, name: name}
}
