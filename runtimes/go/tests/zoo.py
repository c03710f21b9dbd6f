"""User code for the tests, as files by name. Each is built once."""

KWARGS = {"go.mod": "module example.com/zoo\n\ngo 1.19\n", "zoo.go": '''
    package zoo

    import (
        "errors"
        "fmt"
        "math"
        "os"
        "os/exec"
        "os/signal"
        "strings"
        "sync"
        "syscall"
        "time"
    )

    type city struct{ Name string }

    type odd struct{}

    func (odd) Error() string { panic("gotcha") }

    var started = map[string]string{"dir": dir(), "a": os.Getenv("A"), "home": os.Getenv("HOME"), "tmp": os.Getenv("TMPDIR")}

    func dir() string { d, _ := os.Getwd(); return d }

    func init() { fmt.Print("importing") }

    func Main(input map[string]interface{}) (interface{}, error) { return input, nil }

    func Typed(c city) (string, error) { return c.Name, nil }

    func Text(s string) string { return s }

    func Nothing() {}

    func Environment() ([]string, error) { return os.Environ(), nil }

    func Started() (map[string]string, error) { return started, nil }

    func Strange(input map[string]interface{}) (interface{}, error) {
        switch input["what"] {
        case "nan":
            return math.NaN(), nil
        case "channel":
            return make(chan int), nil
        case "odd":
            return nil, odd{}
        case "long":
            return nil, errors.New(strings.Repeat("x", 10_000_000))
        case "index":
            return inner(nil), nil
        case "panic":
            panic("boom")
        case "html":
            return "<a & b> €", nil
        }
        return nil, errors.New("no such city")
    }

    func inner(list []int) int { return list[3] }

    func Exit() { os.Exit(9) }

    func Crash() {
        fmt.Print("half a line")
        go func() { panic("in the background") }()
        select {}
    }

    func Signal() { syscall.Kill(os.Getpid(), syscall.SIGTERM); select {} }

    func Kill() { syscall.Kill(os.Getpid(), syscall.SIGKILL); select {} }

    func Loop() {
        for {
        }
    }

    func Deaf() {
        signal.Notify(make(chan os.Signal, 1))
        for {
        }
    }

    func Wait(input struct{ MS int }) { time.Sleep(time.Duration(input.MS) * time.Millisecond) }

    func Print() {
        fmt.Println("one €")
        fmt.Fprintln(os.Stderr, "err")
        shell := exec.Command("sh", "-c", "echo two; echo err2 >&2")
        shell.Stdout, shell.Stderr = os.Stdout, os.Stderr
        shell.Run()
        fmt.Print("three")
    }

    func Now() { fmt.Println("now"); select {} }

    func Flood(input struct{ Lines int }) {
        line := []byte(strings.Repeat("€", 333) + "\\n")
        for n := 0; n < input.Lines; n++ {
            os.Stdout.Write(line)
        }
    }

    func Talk(input struct{ N int }) { fmt.Println("call", input.N) }

    var late, done = make(chan bool), make(chan bool)

    func Later(input struct{ Wait bool }) {
        if input.Wait {
            close(late)
            <-done
            return
        }
        go func() { <-late; fmt.Println("late"); close(done) }()
    }

    func Threads() {
        var all sync.WaitGroup
        for n := 0; n < 8; n++ {
            all.Add(1)
            go func(n int) {
                defer all.Done()
                for i := 0; i < 200; i++ {
                    fmt.Printf("%d-%d\\n", n, i)
                }
            }(n)
        }
        all.Wait()
    }

    func Closed() (int, error) {
        syscall.Close(1)
        fmt.Fprintln(os.Stderr, "still")
        return 1, nil
    }

    func Children() ([]int, error) {
        var pids []int
        for _, own := range []bool{false, true} {
            child := exec.Command("sleep", "600")
            child.SysProcAttr = &syscall.SysProcAttr{Setsid: own}
            if err := child.Start(); err != nil {
                return nil, err
            }
            pids = append(pids, child.Process.Pid)
        }
        return append(pids, os.Getpid()), nil
    }

    func ChildrenAndWait() { pids, _ := Children(); fmt.Println(pids[0], pids[1]); select {} }

    func Descriptors() (string, error) {
        out, err := exec.Command("sh", "-c", "ls /proc/self/fd | tr '\\\\n' ' '").Output()
        return string(out), err
    }

    func Repeat(input struct{ N int }) (string, error) { return strings.Repeat("x", input.N), nil }

    func Meet(input struct{ Fifo string }) (int, error) {
        fmt.Println("in")
        _, err := os.ReadFile(input.Fifo)
        return os.Getpid(), err
    }
'''}

HTTP = {"go.mod": "module example.com/web\n\ngo 1.19\n", "handler.go": '''
    package handler

    import (
        "encoding/json"
        "fmt"
        "io"
        "net/http"
        "strings"
    )

    func Handle(w http.ResponseWriter, r *http.Request) {
        body, _ := io.ReadAll(r.Body)
        w.Header().Add("X-Two", "1")
        w.Header().Add("X-Two", "2")
        w.Header().Set("Content-Length", "999")
        w.Header().Set("Content-Type", "application/json")
        w.WriteHeader(201)
        json.NewEncoder(w).Encode(map[string]interface{}{"method": r.Method, "path": r.URL.Path, "query": r.URL.Query(),
            "header": r.Header, "host": r.Host, "body": string(body), "length": r.ContentLength, "uri": r.RequestURI})
    }

    func Sniff(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "<html>hi") }

    func Empty(w http.ResponseWriter, r *http.Request) {}

    func Boom(w http.ResponseWriter, r *http.Request) { var m map[string]int; m["a"] = 1 }

    func Copy(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }

    func Unread(w http.ResponseWriter, r *http.Request) { w.WriteHeader(204) }

    func Flushing(w http.ResponseWriter, r *http.Request) {
        for n := 0; n < 3; n++ {
            fmt.Fprintf(w, "part %d;", n)
            w.(http.Flusher).Flush()
        }
        fmt.Println("at the end")
    }

    func HalfBoom(w http.ResponseWriter, r *http.Request) {
        fmt.Fprint(w, strings.Repeat("x", 100))
        w.(http.Flusher).Flush()
        panic("too late")
    }
''', "deep/other.go": '''
    package deep

    import "net/http"

    func Hello(w http.ResponseWriter, r *http.Request) { w.Write([]byte("deep")) }

    func Many(a, b, c int) {}
''', "cmd/main.go": '''
    package main

    import "github.com/surely/not/there"

    func main() { there.Serve() }
'''}

NUCLIO = {"main.go": '''
    package main

    import (
        "errors"
        "fmt"

        "github.com/nuclio/nuclio-sdk-go"
    )

    func InitContext(context *nuclio.Context) error {
        context.UserData = "from init"
        return nil
    }

    func Handler(context *nuclio.Context, event nuclio.Event) (interface{}, error) {
        number, _ := event.GetFieldInt("n")
        return nuclio.Response{StatusCode: 202, ContentType: "application/x",
            Headers: map[string]interface{}{"X-A": "b", "X-N": 5, "Content-Type": "lost"},
            Body: []byte(fmt.Sprint(string(event.GetBody()), "|", event.GetMethod(), "|", event.GetPath(), "|", event.GetContentType(),
                "|", event.GetHeaderString("x-header"), "|", number, "|", event.GetTriggerInfo().GetKind(), "|", context.TriggerName, "|",
                context.UserData, "|", context.FunctionName, context.FunctionVersion, "|", event.GetID(), "|", event.GetURL(), "|",
                event.GetHeader("X-Hob-Trigger-Kind")))}, nil
    }

    func Answer(context *nuclio.Context, event nuclio.Event) (interface{}, error) {
        switch string(event.GetBody()) {
        case "nil":
            return nil, nil
        case "bytes":
            return []byte("raw"), nil
        case "pointer":
            return &nuclio.Response{Body: []byte("p")}, nil
        case "object":
            return map[string]int{"a": 1}, nil
        case "value":
            return nil, nuclio.ErrNotFound
        case "made":
            return nil, nuclio.NewErrTeapot("short and stout")
        case "wrapped":
            return nil, fmt.Errorf("outer: %w", nuclio.WrapErrConflict(errors.New("inner")))
        case "error":
            return nil, errors.New("plain")
        case "panic":
            panic("stop")
        }
        return "text", nil
    }

    func Logging(context *nuclio.Context, event nuclio.Event) (interface{}, error) {
        context.Logger.Debug("quiet %d", 1)
        context.Logger.InfoWith("told €", "k", "v", "n", 2)
        context.Logger.GetChild("child").Error("bad", 7)
        return nil, nil
    }
'''}

# The form that is compiled as a plug-in upstream may have a main of its own that does nothing.
PLUGIN = {"function.go": '''
    package main

    import "github.com/nuclio/nuclio-sdk-go"

    func handler() string { return "a name that our own code must not take" }

    func Handler(context *nuclio.Context, event nuclio.Event) (interface{}, error) { return handler(), nil }

    func main() {}
'''}

LAMBDA = {"go.mod": "module example.com/fn\n\ngo 1.19\n\nrequire github.com/scaleway/scaleway-functions-go v0.0.0-20200101000000-abcdefabcdef\n",
          "main.go": '''
    package main

    import (
        "encoding/json"
        "errors"
        "fmt"
        "os"

        "github.com/scaleway/scaleway-functions-go/events"
        "github.com/scaleway/scaleway-functions-go/lambda"
    )

    func Handler(request events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
        fmt.Println("called")
        switch request.Path {
        case "/error":
            return events.APIGatewayProxyResponse{}, errors.New("no such city")
        case "/panic":
            panic("stop")
        case "/exit":
            os.Exit(4)
        case "/loop":
            for {
            }
        case "/base64":
            return events.APIGatewayProxyResponse{StatusCode: 200, Body: "/w==", IsBase64Encoded: true}, nil
        }
        text, err := json.Marshal(request)
        return events.APIGatewayProxyResponse{StatusCode: 201, Body: string(text),
            Headers: map[string]string{"Content-Type": "application/json"}}, err
    }

    func main() { lambda.Start(Handler) }
''', "handlers/world/main.go": '''
    package main

    import "github.com/scaleway/scaleway-functions-go/lambda"

    func main() { lambda.Start(func() (string, error) { return "world", nil }) }
''', "handlers/message/main.go": '''
    package main

    import (
        "errors"
        "fmt"
        "os"

        "github.com/scaleway/scaleway-functions-go/lambda"
    )

    func main() {
        lambda.Start(func(message string) (string, error) {
            if message == "no" {
                return "", errors.New("refused")
            }
            if message == "where" {
                message = os.Getenv("SCW_HANDLER_IS_BINARY") + " " + os.Getenv("SCW_HANDLER_PATH")
            }
            fmt.Println(message)
            return `{"statusCode": 418}`, nil
        })
    }
'''}
