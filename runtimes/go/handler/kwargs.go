package handler

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"

	"hob/wire"
)

// positional is the key of an input that is a text and not an object, as the convention names it.
const positional = "__function_input"

var (
	errorType   = reflect.TypeOf((*error)(nil)).Elem()
	mapType     = reflect.TypeOf(map[string]any(nil))
	jsonHeaders = [][2]string{{"content-type", "application/json"}}
)

// prepareKwargs takes `func(input) (result, error)`: input is a map, a struct or anything else that
// JSON can be decoded into; it, the result and the error may each be left out.
func prepareKwargs(function Function, _ Program, _ wire.About) (Answer, error) {
	if main, usual := function.Value.(func(map[string]any) (any, error)); usual {
		return func(call *Call) error {
			input, err := objectOf(call.Body.All())
			if err != nil {
				return err
			}
			result, err := main(input)
			return replyJSON(call, result, err)
		}, nil
	}
	value := reflect.ValueOf(function.Value)
	if !hasKwargsForm(value.Type()) {
		return nil, nil
	}
	return func(call *Call) error {
		arguments, err := argumentsOf(value.Type(), call.Body.All())
		if err != nil {
			return err
		}
		result, err := resultsOf(value.Call(arguments))
		return replyJSON(call, result, err)
	}, nil
}

func hasKwargsForm(form reflect.Type) bool {
	if form.Kind() != reflect.Func || form.IsVariadic() || form.NumIn() > 1 || form.NumOut() > 2 {
		return false
	}
	if form.NumIn() == 1 && (form.In(0).Kind() == reflect.Interface || form.In(0).Kind() == reflect.Func) {
		return false
	}
	return form.NumOut() < 2 || form.Out(1) == errorType
}

func argumentsOf(form reflect.Type, body []byte) ([]reflect.Value, error) {
	if form.NumIn() == 0 {
		return nil, nil
	}
	wanted := form.In(0)
	if wanted == mapType || wanted.Kind() == reflect.String {
		input, err := objectOf(body)
		if err != nil {
			return nil, err
		}
		if wanted == mapType {
			return []reflect.Value{reflect.ValueOf(input)}, nil
		}
		return []reflect.Value{reflect.ValueOf(textOf(input, body)).Convert(wanted)}, nil
	}
	into := reflect.New(wanted)
	if len(body) > 0 {
		if err := json.Unmarshal(body, into.Interface()); err != nil {
			return nil, wire.NewFailure(wire.BadInput, "ValueError",
				fmt.Sprintf("the input does not fit %s: %v; send what the function takes", wanted, err), "")
		}
	}
	return []reflect.Value{into.Elem()}, nil
}

// objectOf is the input as the convention's table has it: an object, or a text under one key.
func objectOf(body []byte) (map[string]any, error) {
	input := map[string]any{}
	if len(body) == 0 {
		return input, nil
	}
	if !utf8.Valid(body) {
		return nil, wire.NewFailure(wire.BadInput, "ValueError", "the input is not UTF-8; send a JSON object or plain text", "")
	}
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		return map[string]any{positional: string(body)}, nil
	}
	switch value := value.(type) {
	case map[string]any:
		return value, nil
	case nil:
		return input, nil
	case float64:
		if !bytes.ContainsAny(body, ".eE") {
			return map[string]any{positional: strings.TrimSpace(string(body))}, nil
		}
	}
	return nil, wire.NewFailure(wire.BadInput, "ValueError", "the input is JSON but neither an object nor an integer;"+
		" this calling convention takes a JSON object, an integer, or text that is not JSON", "")
}

func textOf(input map[string]any, body []byte) string {
	if text, is := input[positional].(string); is {
		return text
	}
	if len(input) == 0 {
		return ""
	}
	return string(body)
}

func resultsOf(results []reflect.Value) (any, error) {
	if n := len(results); n > 0 && results[n-1].Type() == errorType {
		if err, failed := results[n-1].Interface().(error); failed {
			return nil, err
		}
		results = results[:n-1]
	}
	if len(results) == 0 {
		return nil, nil
	}
	return results[0].Interface(), nil
}

func replyJSON(call *Call, result any, err error) error {
	if err != nil {
		return err
	}
	text, err := marshal(result)
	if err != nil {
		return wire.NewFailure(wire.NotJSON, "TypeError", fmt.Sprintf(
			"the result is not JSON: %v; return only what encoding/json can say", err), "")
	}
	call.Reply(200, jsonHeaders, text)
	return nil
}

// marshal leaves <, > and & alone, which the standard library would escape.
func marshal(value any) ([]byte, error) {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buffer.Bytes(), []byte("\n")), nil
}

func appendJSONString(into []byte, text string) []byte {
	for at := 0; at < len(text); at++ {
		if c := text[at]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
			quoted, err := json.Marshal(text)
			if err != nil { // a string always can be said
				quoted = []byte(`""`)
			}
			return append(into, quoted...)
		}
	}
	return append(append(append(into, '"'), text...), '"')
}
