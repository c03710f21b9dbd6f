// @nuclio.configure
//
// function.yaml:
//   spec:
//     description: Tells what in a text looks like an address of mail or a number of a credit card.
//     handler: regex-scan:Handler
//     runtime: golang

package main

import (
	"encoding/json"
	"regexp"

	"github.com/nuclio/nuclio-sdk-go"
)

var patterns = map[string]*regexp.Regexp{
	"mail": regexp.MustCompile(`[\w.+-]+@[\w-]+\.[\w.]+`),
	"card": regexp.MustCompile(`\b(?:\d[ -]?){13,16}\b`),
}

// Handler answers with what was found of each kind.
func Handler(context *nuclio.Context, event nuclio.Event) (interface{}, error) {
	found := map[string][]string{}
	for kind, pattern := range patterns {
		found[kind] = append([]string{}, pattern.FindAllString(string(event.GetBody()), -1)...)
	}
	body, err := json.Marshal(found)
	if err != nil {
		return nil, err
	}
	return nuclio.Response{StatusCode: 200, ContentType: "application/json", Body: body}, nil
}
