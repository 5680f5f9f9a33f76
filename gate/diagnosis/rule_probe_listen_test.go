package diagnosis

import (
	"fmt"
	"strings"
	"testing"
)

// TestListeners has how servers of many languages say where they listen, and lines that only look so.
func TestListeners(t *testing.T) {
	for text, want := range map[string]string{
		"2026/11/21 22:00:06 listening on [::]:8080":                                     ":::8080",
		"listening on 127.0.0.1:8080":                                                    "127.0.0.1:8080",
		"[GIN-debug] Listening and serving HTTP on :8080":                                ":8080",
		`time=2026-05-04T10:00:05.123Z level=INFO msg="listening" addr=127.0.0.1:9000`:   "127.0.0.1:9000",
		`{"level":"info","msg":"server listening","addr":":8080"}`:                       ":8080",
		"⇨ http server started on [::]:1323":                                             ":::1323",
		" * Running on http://127.0.0.1:5000":                                            "127.0.0.1:5000",
		"INFO:     Uvicorn running on http://127.0.0.1:8000 (Press CTRL+C to quit)":      "127.0.0.1:8000",
		"[2026-05-04 10:00:05 +0000] [1] [INFO] Listening at: http://127.0.0.1:8000 (1)": "127.0.0.1:8000",
		"Starting development server at http://127.0.0.1:8000/":                          "127.0.0.1:8000",
		"Serving HTTP on 0.0.0.0 port 8000 (http://0.0.0.0:8000/) ...":                   ":8000 0.0.0.0:8000",
		"Server listening on port 3000":                                                  ":3000",
		"Example app listening at http://localhost:3000":                                 "localhost:3000",
		"   - Local:        http://localhost:3000":                                       "localhost:3000",
		"  \x1b[32m➜\x1b[0m  Local:   http://localhost:5173/":                            "localhost:5173",
		"2026-05-04T10:00:05.1Z  INFO 1 --- [main] o.s.b.w.e.tomcat.TomcatWebServer : Tomcat started on port(s): 8081 (http) with context path ''": ":8081",
		"INFO 1 --- [main] o.s.b.web.embedded.netty.NettyWebServer : Netty started on port 8080":                                                   ":8080",
		"INFO:oejs.AbstractConnector:main: Started ServerConnector@1b2c{HTTP/1.1, (http/1.1)}{0.0.0.0:8080}":                                       "0.0.0.0:8080",
		"INFO  [io.quarkus] (main) web 1.0 on JVM started in 1.2s. Listening on: http://0.0.0.0:8080":                                              "0.0.0.0:8080",
		"2026-05-04 10:00:05.123 [main] INFO  Application - Responding at http://127.0.0.1:8080":                                                   "127.0.0.1:8080",
		"      Now listening on: http://localhost:5000":                                                                                            "localhost:5000",
		"* Listening on http://127.0.0.1:3000":                                                                                                     "127.0.0.1:3000",
		"Rocket has launched from http://127.0.0.1:8000":                                                                                           "127.0.0.1:8000",
		`starting service: "actix-web-service-127.0.0.1:8080", workers: 4, listening on: 127.0.0.1:8080`:                                           "127.0.0.1:8080",
		"Running MyApp.Endpoint with Bandit 1.5 at 127.0.0.1:4000 (http)":                                                                          "127.0.0.1:4000",
		"PHP 8.3.0 Development Server (http://localhost:8000) started":                                                                             "localhost:8000",
		"Server running on [http://127.0.0.1:8000].":                                                                                               "127.0.0.1:8000",
		"Server started, listening on 50051":                                                                                                       ":50051",
		`LOG:  listening on IPv4 address "127.0.0.1", port 5432`:                                                                                   "127.0.0.1:5432",
		"server connecting to redis at localhost:6379":                                                                                             "",
		"listen tcp :8080: bind: address already in use":                                                                                           "",
		"waiting for server db:5432":                                                                                                               "",
		"2026/11/21 22:00:06 starting web v1":                                                                                                      "",
		"migrations running since 22:15:30":                                                                                                        "",
		"handled request GET /reports:2024":                                                                                                        "",
	} {
		var got []string
		for _, l := range listeners([]string{text}) {
			got = append(got, fmt.Sprint(l.host, ":", l.port))
		}
		if joined := strings.Join(got, " "); joined != want {
			t.Errorf("%q\n got %q, want %q", text, joined, want)
		}
	}
}

func FuzzListeners(f *testing.F) {
	f.Add("listening on [::]:8080")
	f.Add(`{"msg":"server listening","addr":":8080"}`)
	f.Fuzz(func(t *testing.T, line string) {
		for _, l := range listeners([]string{line}) {
			if l.port <= 0 || l.port > 65535 {
				t.Errorf("%q: port %d", line, l.port)
			}
			_ = l.local()
		}
	})
}
