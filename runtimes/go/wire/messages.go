package wire

// LoadHeader is what the daemon says of the code to be loaded.
type LoadHeader struct {
	Revision   string            `json:"revision"`
	Path       string            `json:"path"`
	Entry      string            `json:"entry"`
	Convention string            `json:"convention"`
	Env        map[string]string `json:"env"`
	TimeoutMS  *int64            `json:"timeout_ms"`
	LogLimit   *int64            `json:"log_limit"`
	Function   About             `json:"function"`
}

// About is the function that the code belongs to.
type About struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
	Version   int    `json:"version"`
	MemoryMiB int    `json:"memory_mib"`
}

// InvokeHeader is one call.
type InvokeHeader struct {
	ID        string      `json:"id"`
	TimeoutMS *int64      `json:"timeout_ms"`
	Method    string      `json:"method"`
	Path      string      `json:"path"`
	Query     string      `json:"query"`
	Headers   [][2]string `json:"headers"`
	Stream    bool        `json:"stream"`
	LogLimit  *int64      `json:"log_limit"`
}

// CheckLimits refuses a call without the numbers that every call must have.
func CheckLimits(timeoutMS, logLimit *int64) error {
	if timeoutMS == nil || *timeoutMS < 0 || logLimit == nil || *logLimit < 0 {
		return ProtocolError("`timeout_ms` and `log_limit` must be whole numbers")
	}
	return nil
}

// LoadedHeader answers a load. Program says, between the user's program and the shim only, that the
// program goes on as a server of its own (see ../shim/subruntime.go).
type LoadedHeader struct {
	OK         bool     `json:"ok"`
	DurationUS int64    `json:"duration_us"`
	Error      *Failure `json:"error,omitempty"`
	Program    bool     `json:"program,omitempty"`
}

// ReplyHeader answers a call.
type ReplyHeader struct {
	Status     int         `json:"status,omitempty"`
	Headers    [][2]string `json:"headers,omitempty"`
	Stream     bool        `json:"stream,omitempty"`
	DurationUS int64       `json:"duration_us"`
	Error      *Failure    `json:"error,omitempty"`
}

// BodyHeader is part of a body.
type BodyHeader struct {
	End bool `json:"end,omitempty"`
}

// The kinds of failures.
const (
	Raised   = "raised"
	NotJSON  = "not_json"
	BadInput = "bad_input"
	LoadFail = "load"
)

const (
	messageLimit   = 16 * 1024 // bytes; all of it travels in a frame header
	tracebackLimit = 64 * 1024
)

// Failure is how a function, or its loading, failed.
type Failure struct {
	Kind      string `json:"kind"`
	Type      string `json:"type"`
	Message   string `json:"message"`
	Traceback string `json:"traceback"`
}

func (f *Failure) Error() string { return f.Message }

// NewFailure cuts its texts to what a header may hold.
func NewFailure(kind, of, message, traceback string) *Failure {
	return &Failure{Kind: kind, Type: of, Message: cut(message, messageLimit), Traceback: cut(traceback, tracebackLimit)}
}

func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	const gap = "\n... (cut here) ...\n"
	half := (limit - len(gap)) / 2
	return text[:half] + gap + text[len(text)-half:]
}
