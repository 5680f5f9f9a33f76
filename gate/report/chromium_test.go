//go:build chromium

package report

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

var (
	shots    = flag.String("shots", "", "folder for a picture of each page that is looked at")
	pictures = flag.String("pictures", "", "folder for the pictures of the documentation")
)

// view is how somebody looks at a page.
type view struct {
	width int
	theme string // light, dark
	media string
}

var views = []view{
	{1280, "light", "screen"}, {1280, "dark", "screen"}, {380, "light", "screen"}, {380, "dark", "screen"}, {720, "light", "print"},
}

// TestPageInChromium looks at pages in a real browser: they load nothing, complain of nothing, and need no scrolling
// to the side.
func TestPageInChromium(t *testing.T) {
	b := startBrowser(t)
	all := reports(t)
	all["crowd"] = crowd(1000)
	for name, r := range all {
		page := renderHTML(t, r)
		for _, v := range views {
			t.Run(fmt.Sprintf("%s-%s-%d-%s", name, v.media, v.width, v.theme), func(t *testing.T) {
				b.show(t, page, v)
				dom := b.eval(t, "document.documentElement.outerHTML").(string)
				for _, want := range []string{"<h1>", "rolloutgate " + r.Run.Command, fmt.Sprintf("exit %d", r.Exit.Code)} {
					if !strings.Contains(dom, want) {
						t.Errorf("the page lacks %q", want)
					}
				}
				if n := int(b.eval(t, "document.scripts.length + document.querySelectorAll('iframe, object, embed, img').length").(float64)); n != 0 {
					t.Errorf("%d elements load or run something", n)
				}
				if wide := int(b.eval(t, "document.documentElement.scrollWidth").(float64)); wide > v.width {
					t.Errorf("the page is %d wide", wide)
				}
				if covered := b.eval(t, overlaps).(string); covered != "" {
					t.Errorf("words of a drawing cover each other or leave it:\n%s", covered)
				}
				if *shots != "" {
					for i := range 3 { // pieces that can be looked at without being made smaller
						if png := b.picture(t, v, float64(i)*1400, 1400); png != nil {
							save(t, filepath.Join(*shots, fmt.Sprintf("%s-%d-%s-%d.png", name, v.width, v.theme, i+1)), png)
						}
					}
				}
				for _, complaint := range b.complaints {
					t.Errorf("the browser says: %s", complaint)
				}
				for _, address := range b.requests {
					t.Errorf("the page asked for %s", address)
				}
			})
		}
	}
}

// TestDrawingsInChromium looks at the drawings that other tests hold.
func TestDrawingsInChromium(t *testing.T) {
	paths, err := filepath.Glob("testdata/drawings/*.svg")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no drawings: %v", err)
	}
	b := startBrowser(t)
	for _, path := range paths {
		drawing, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		page := "<!DOCTYPE html><meta name=\"viewport\" content=\"width=device-width\"><title>x</title><link rel=\"icon\" href=\"data:,\"><style>" + styles + "</style>" + string(hatching()) + "<main>" + string(drawing)
		wide := 1280
		if strings.Contains(path, "narrow") || strings.Contains(path, "criterion") {
			wide = 380
		}
		for _, theme := range []string{"light", "dark"} {
			v := view{wide, theme, "screen"}
			b.show(t, page, v)
			if covered := b.eval(t, overlaps).(string); covered != "" {
				t.Errorf("%s: words cover each other or leave it:\n%s", path, covered)
			}
			if *shots != "" {
				save(t, filepath.Join(*shots, strings.TrimSuffix(filepath.Base(path), ".svg")+"-"+theme+".png"), b.picture(t, v, 0, 600))
			}
		}
	}
}

// TestPicturesInChromium makes the pictures of the documentation, when -pictures asks for them.
func TestPicturesInChromium(t *testing.T) {
	if *pictures == "" {
		return
	}
	b := startBrowser(t)
	all := reports(t)
	for name, height := range map[string]float64{"real-canary": 1180} {
		for _, theme := range []string{"light", "dark"} {
			v := view{1060, theme, "screen"}
			b.show(t, renderHTML(t, all[name]), v)
			save(t, filepath.Join(*pictures, fmt.Sprintf("report-%s-%s.png", name, theme)), b.picture(t, v, 0, height))
			box := b.eval(t, "(() => { const b = document.querySelector('.criterion').getBoundingClientRect(); return [b.top + scrollY, b.height] })()").([]any)
			save(t, filepath.Join(*pictures, fmt.Sprintf("report-%s-criterion-%s.png", name, theme)), b.picture(t, v, box[0].(float64), box[1].(float64)))
		}
	}
}

// overlaps finds the words of drawings that cover each other, or that leave their drawing.
const overlaps = `(() => {
	const out = [];
	for (const svg of document.querySelectorAll('svg.chart')) {
		const frame = svg.getBoundingClientRect();
		if (frame.width === 0) continue;
		const words = [...svg.querySelectorAll('text')].filter(t => !t.classList.contains('glyph-count'))
			.map(t => ({text: t.textContent, box: t.getBoundingClientRect()}));
		words.forEach((a, i) => {
			if (a.box.left < frame.left - 1 || a.box.right > frame.right + 1 || a.box.bottom > frame.bottom + 1) out.push('outside: ' + a.text);
			words.slice(i + 1).forEach(b => {
				const x = Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left);
				const y = Math.min(a.box.bottom, b.box.bottom) - Math.max(a.box.top, b.box.top);
				if (x > 1 && y > 4) out.push(a.text + ' | ' + b.text);
			});
		});
	}
	return out.join('\n');
})()`

func save(t *testing.T, path string, png []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, png, 0o644); err != nil {
		t.Fatal(err)
	}
}

// browser is a Chromium that is told what to do over its DevTools protocol.
type browser struct {
	conn                 *websocket.Conn
	last                 int
	complaints, requests []string
	loaded               bool
	page                 string // what the server of the test answers
	server               *httptest.Server
}

// startBrowser starts Chromium; that there is none is a failure.
func startBrowser(t *testing.T) *browser {
	t.Helper()
	program := "chromium"
	if path := os.Getenv("CHROMIUM"); path != "" {
		program = path
	}
	dir := t.TempDir()
	c := exec.Command(program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions", "--hide-scrollbars",
		"--force-color-profile=srgb", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--user-data-dir="+dir, "--remote-debugging-port=0", "about:blank")
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stderr, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatalf("Chromium is needed for this test: %v", err)
	}
	lines, silent := bufio.NewReader(stderr), make(chan struct{})
	t.Cleanup(func() {
		syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
		<-silent // its other processes write into the folder until they have ended as well
		c.Wait()
	})
	b := &browser{}
	b.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Write([]byte(b.page))
	}))
	t.Cleanup(b.server.Close)
	address := make(chan string, 1)
	go func() { // to the end: it must not block on what it writes
		defer close(silent)
		defer close(address)
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			if _, after, found := strings.Cut(line, "DevTools listening on "); found {
				select {
				case address <- strings.TrimSpace(after):
				default:
				}
			}
		}
	}()
	at, found := <-address
	if !found {
		t.Fatal("Chromium has not said where it listens")
	}
	b.connect(t, at)
	return b
}

// connect opens the only page of the browser.
func (b *browser) connect(t *testing.T, address string) {
	t.Helper()
	host, _, _ := strings.Cut(strings.TrimPrefix(address, "ws://"), "/")
	var targets []struct {
		Type string `json:"type"`
		URL  string `json:"webSocketDebuggerUrl"`
	}
	answer, err := http.Get("http://" + host + "/json/list")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(&targets); err != nil {
		t.Fatal(err)
	}
	for _, target := range targets {
		if target.Type != "page" {
			continue
		}
		if b.conn, _, err = websocket.DefaultDialer.Dial(target.URL, nil); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.conn.Close() })
		for _, domain := range []string{"Page", "Runtime", "Log", "Network"} {
			b.call(t, domain+".enable", nil)
		}
		return
	}
	t.Fatal("Chromium has no page")
}

// message is an answer or an event of the DevTools protocol.
type message struct {
	ID     int             `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  *struct{ Message string }
}

func (b *browser) call(t *testing.T, method string, params any) json.RawMessage {
	t.Helper()
	b.last++
	if params == nil {
		params = struct{}{}
	}
	if err := b.conn.WriteJSON(map[string]any{"id": b.last, "method": method, "params": params}); err != nil {
		t.Fatal(err)
	}
	for {
		m := b.read(t)
		if m.ID != b.last {
			continue
		}
		if m.Error != nil {
			t.Fatalf("%s: %s", method, m.Error.Message)
		}
		return m.Result
	}
}

// read takes the next message, and notes what the page asks for and what the browser complains of.
func (b *browser) read(t *testing.T) message {
	t.Helper()
	b.conn.SetReadDeadline(time.Now().Add(time.Minute))
	var m message
	if err := b.conn.ReadJSON(&m); err != nil {
		t.Fatal(err)
	}
	switch m.Method {
	case "Page.loadEventFired":
		b.loaded = true
	case "Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown":
		b.complaints = append(b.complaints, string(m.Params))
	case "Network.requestWillBeSent":
		var sent struct{ Request struct{ URL string } }
		if err := json.Unmarshal(m.Params, &sent); err != nil {
			t.Fatal(err)
		}
		if address := sent.Request.URL; address != b.server.URL+"/" && address != "data:," {
			b.requests = append(b.requests, address)
		}
	}
	return m
}

// show opens a page as somebody sees it.
func (b *browser) show(t *testing.T, page string, v view) {
	t.Helper()
	b.call(t, "Emulation.setDeviceMetricsOverride", map[string]any{"width": v.width, "height": 900, "deviceScaleFactor": 1, "mobile": v.width < 600})
	b.call(t, "Emulation.setEmulatedMedia", map[string]any{"media": v.media, "features": []any{map[string]any{"name": "prefers-color-scheme", "value": v.theme}}})
	b.page, b.loaded, b.complaints, b.requests = page, false, nil, nil
	b.call(t, "Page.navigate", map[string]any{"url": b.server.URL + "/"})
	for !b.loaded {
		b.read(t)
	}
}

func (b *browser) eval(t *testing.T, expression string) any {
	t.Helper()
	var answer struct {
		Result           struct{ Value any }
		ExceptionDetails json.RawMessage
	}
	if err := json.Unmarshal(b.call(t, "Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true}), &answer); err != nil {
		t.Fatal(err)
	}
	if answer.ExceptionDetails != nil {
		t.Fatalf("evaluating %s: %s", expression, answer.ExceptionDetails)
	}
	return answer.Result.Value
}

// picture is a piece of the page as a PNG; nil beyond its end.
func (b *browser) picture(t *testing.T, v view, from, most float64) []byte {
	t.Helper()
	height := b.eval(t, "document.documentElement.scrollHeight").(float64) - from
	if height <= 0 {
		return nil
	}
	var shot struct{ Data string }
	if err := json.Unmarshal(b.call(t, "Page.captureScreenshot", map[string]any{
		"format": "png", "captureBeyondViewport": true,
		"clip": map[string]any{"x": 0, "y": from, "width": v.width, "height": min(height, most), "scale": 1},
	}), &shot); err != nil {
		t.Fatal(err)
	}
	png, err := base64.StdEncoding.DecodeString(shot.Data)
	if err != nil {
		t.Fatal(err)
	}
	return png
}
