package handler

import (
	"context"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"sort"
	"strconv"

	"hob/wire"
)

// prepareHTTP takes `func(http.ResponseWriter, *http.Request)`: the function gets the raw request.
// Source: the contract's sections 3.2 and 3.3 (Go functions of the newer kind).
func prepareHTTP(function Function, _ Program, _ wire.About) (Answer, error) {
	handle, fits := function.Value.(func(http.ResponseWriter, *http.Request))
	if !fits {
		return nil, nil
	}
	return func(call *Call) error {
		ctx, done := context.WithCancel(context.Background())
		defer done()
		writer := &responseWriter{call: call, header: http.Header{}}
		handle(writer, requestOf(ctx, call))
		writer.finish()
		return nil
	}, nil
}

func requestOf(ctx context.Context, call *Call) *http.Request {
	header := make(http.Header, len(call.Invoke.Headers))
	for _, each := range call.Invoke.Headers {
		key := textproto.CanonicalMIMEHeaderKey(each[0])
		header[key] = append(header[key], each[1])
	}
	target := call.Invoke.Path
	if call.Invoke.Query != "" {
		target += "?" + call.Invoke.Query
	}
	address, err := url.ParseRequestURI(target)
	if err != nil {
		address = &url.URL{Path: call.Invoke.Path, RawQuery: call.Invoke.Query}
	}
	request := &http.Request{
		Method: call.Invoke.Method, URL: address, RequestURI: target, Header: header, Body: &call.Body,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Host: header.Get("Host"), RemoteAddr: remoteAddress(header), ContentLength: lengthOf(call, header),
	}
	if request.ContentLength == 0 {
		request.Body = http.NoBody
	}
	header.Del("Host") // as the standard library's server does
	return request.WithContext(ctx)
}

func lengthOf(call *Call, header http.Header) int64 {
	if call.Body.over {
		return int64(len(call.Body.left))
	}
	if length, err := strconv.ParseInt(header.Get("Content-Length"), 10, 64); err == nil && length > 0 {
		return length
	}
	return -1
}

func remoteAddress(header http.Header) string {
	host := header.Get("X-Forwarded-For")
	if net.ParseIP(host) == nil {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, "0")
}

// responseWriter is what the function writes its answer to.
type responseWriter struct {
	call   *Call
	header http.Header
	wrote  bool // the status and the headers are fixed
}

func (w *responseWriter) Header() http.Header { return w.header }

func (w *responseWriter) WriteHeader(status int) {
	if w.wrote || status < 200 { // an early hint has no place in an answer that is one
		return
	}
	w.wrote = true
	w.call.Status = status
	w.call.Headers = pairs(w.header)
}

func (w *responseWriter) Write(data []byte) (int, error) {
	if !w.wrote {
		if _, set := w.header["Content-Type"]; !set && len(data) > 0 && w.header.Get("Content-Encoding") == "" {
			w.header.Set("Content-Type", http.DetectContentType(data))
		}
		w.WriteHeader(http.StatusOK)
	}
	w.call.write(data)
	return len(data), nil
}

func (w *responseWriter) WriteString(text string) (int, error) { return w.Write([]byte(text)) }

// Flush makes the caller see what has been written so far.
func (w *responseWriter) Flush() {
	w.WriteHeader(http.StatusOK)
	w.call.flush()
}

func (w *responseWriter) finish() { w.WriteHeader(http.StatusOK) }

// pairs leaves out what belongs to a connection: there is none here.
func pairs(header http.Header) [][2]string {
	list := make([][2]string, 0, len(header))
	for key, values := range header {
		switch key {
		case "Connection", "Keep-Alive", "Transfer-Encoding", "Content-Length", "Trailer", "Upgrade":
			continue
		}
		for _, value := range values {
			list = append(list, [2]string{key, value})
		}
	}
	sort.SliceStable(list, func(i, j int) bool { return list[i][0] < list[j][0] })
	return list
}
