package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// receiverPath is the path of every receiver's address, which nothing that is printed may have.
const receiverPath = "/services/T0/B0/planted-address"

// receiver starts a real server that gets notices: `receiver NAME works|hangs|endless|refuses`. Its address is in $NAME, and
// what it gets is in the file NAME.got.
func receiver(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: receiver NAME works|hangs|endless|refuses")
	}
	name, way := args[0], args[1]
	file, err := os.Create(ts.MkAbs(name + ".got"))
	ts.Check(err)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(file, "%s\n", bytes.TrimSpace(body))
		switch way {
		case "hangs":
			<-r.Context().Done()
		case "endless":
			piece := bytes.Repeat([]byte("x"), 1<<20)
			for range 10 {
				if _, err := w.Write(piece); err != nil {
					return
				}
			}
		case "refuses":
			http.Error(w, "no_service at "+r.URL.Path, http.StatusNotFound)
		}
	}))
	ts.Defer(func() { s.CloseClientConnections(); s.Close(); file.Close() })
	ts.Setenv(name, s.URL+receiverPath)
}

// received looks for a text in what a receiver got, and waits for it: `received NAME TEXT`. With ! it must not be there.
func received(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: received NAME TEXT")
	}
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		got := ts.ReadFile(args[0] + ".got")
		switch {
		case strings.Contains(got, args[1]) == !neg:
			return
		case neg || time.Now().After(deadline):
			ts.Fatalf("%s got %s", args[0], got)
		}
	}
}
