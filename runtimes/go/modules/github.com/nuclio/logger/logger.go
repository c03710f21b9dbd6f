// Package logger has the names of the logger that Nuclio functions use, so that they build where no
// module proxy can be reached. Written for Hob; a vendored original is used instead of it.
package logger

import "context"

// Level is how important a record is.
type Level int

// The levels, the least important first.
const (
	LevelDebug Level = iota
	LevelInfo
	LevelWarn
	LevelError
)

// Logger takes records. The first argument is the message, with printf's verbs for `vars`; in the
// With forms `vars` are names and values in turn.
type Logger interface {
	Error(format interface{}, vars ...interface{})
	Warn(format interface{}, vars ...interface{})
	Info(format interface{}, vars ...interface{})
	Debug(format interface{}, vars ...interface{})

	ErrorCtx(ctx context.Context, format interface{}, vars ...interface{})
	WarnCtx(ctx context.Context, format interface{}, vars ...interface{})
	InfoCtx(ctx context.Context, format interface{}, vars ...interface{})
	DebugCtx(ctx context.Context, format interface{}, vars ...interface{})

	ErrorWith(format interface{}, vars ...interface{})
	WarnWith(format interface{}, vars ...interface{})
	InfoWith(format interface{}, vars ...interface{})
	DebugWith(format interface{}, vars ...interface{})

	ErrorWithCtx(ctx context.Context, format interface{}, vars ...interface{})
	WarnWithCtx(ctx context.Context, format interface{}, vars ...interface{})
	InfoWithCtx(ctx context.Context, format interface{}, vars ...interface{})
	DebugWithCtx(ctx context.Context, format interface{}, vars ...interface{})

	Flush()
	GetChild(name string) Logger
}
