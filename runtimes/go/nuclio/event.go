package nuclio

import (
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"time"

	nuclio "github.com/nuclio/nuclio-sdk-go"

	"hob/handler"
)

// event embeds the SDK's own, so that it has what a later SDK asks of events.
type event struct {
	nuclio.AbstractEvent
	call      *handler.Call
	body      []byte
	headers   map[string]interface{}
	fields    map[string]interface{}
	timestamp time.Time
}

// trigger says what made the event.
type trigger struct{ kind, name string }

func (t trigger) GetClass() string { return "sync" }
func (t trigger) GetKind() string  { return t.kind }
func (t trigger) GetName() string  { return t.name }

func newEvent(call *handler.Call) *event {
	e := &event{call: call, body: call.Body.All(), headers: map[string]interface{}{}, timestamp: call.Started}
	for _, header := range call.Invoke.Headers {
		e.headers[http.CanonicalHeaderKey(header[0])] = header[1]
	}
	e.SetTriggerInfoProvider(trigger{kind: call.TriggerKind, name: call.TriggerName})
	setID(e, call.Invoke.ID)
	return e
}

// setID gives the event the call's name, where the SDK's type for it is a text. It once was another.
func setID(e *event, id string) {
	value := reflect.New(reflect.TypeOf(e.GetID())).Elem()
	if value.Kind() == reflect.String {
		value.SetString(id)
		reflect.ValueOf(e).MethodByName("SetID").Call([]reflect.Value{value})
	}
}

func (e *event) has(name string) bool {
	_, found := e.headers[http.CanonicalHeaderKey(name)]
	return found
}

func (e *event) GetContentType() string             { return e.GetHeaderString("Content-Type") }
func (e *event) GetBody() []byte                    { return e.body }
func (e *event) GetBodyObject() interface{}         { return e.body }
func (e *event) GetSize() int                       { return len(e.body) }
func (e *event) GetMethod() string                  { return e.call.Invoke.Method }
func (e *event) GetTimestamp() time.Time            { return e.timestamp }
func (e *event) GetShardID() int                    { return 0 }
func (e *event) GetHeaders() map[string]interface{} { return e.headers }

func (e *event) GetPath() string {
	if path, err := url.PathUnescape(e.call.Invoke.Path); err == nil && path != "" {
		return path
	}
	return "/"
}

func (e *event) GetHeader(name string) interface{}     { return e.headers[http.CanonicalHeaderKey(name)] }
func (e *event) GetHeaderString(name string) string    { return textOf(e.GetHeader(name)) }
func (e *event) GetHeaderByteSlice(name string) []byte { return []byte(textOf(e.GetHeader(name))) }
func (e *event) GetHeaderInt(name string) (int, error) { return numberOf(e.GetHeader(name)) }
func (e *event) GetField(name string) interface{}      { return e.GetFields()[name] }
func (e *event) GetFieldString(name string) string     { return textOf(e.GetField(name)) }
func (e *event) GetFieldByteSlice(name string) []byte  { return []byte(textOf(e.GetField(name))) }
func (e *event) GetFieldInt(name string) (int, error)  { return numberOf(e.GetField(name)) }

// GetFields reads the query when it is first asked for. Of several values the last one counts.
func (e *event) GetFields() map[string]interface{} {
	if e.fields == nil {
		e.fields = map[string]interface{}{}
		values, _ := url.ParseQuery(e.call.Invoke.Query) // what can be read of a faulty one is used
		for name, each := range values {
			e.fields[name] = each[len(each)-1]
		}
	}
	return e.fields
}

func textOf(value interface{}) string {
	text, _ := value.(string)
	return text
}

func numberOf(value interface{}) (int, error) {
	number, err := strconv.Atoi(textOf(value))
	if err != nil {
		return 0, nuclio.ErrTypeConversion
	}
	return number, nil
}
