package cluster

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
)

const (
	// mostLines and mostRead bound what the kubelet is asked for, whose API has no way to ask for the last bytes.
	mostLines = 50_000
	mostRead  = 32 << 20
)

// WholeLog reads the log of one attempt of a container: its last whole lines, of at most that many bytes. cut says that
// something is missing, which is the beginning unless there is an error as well: then the end may be.
func (c *Client) WholeLog(ctx context.Context, namespace string, t diagnosis.LogTarget, most int) (text string, cut bool, err error) {
	lines, limit := int64(mostLines), int64(mostRead)
	stream, err := c.typed.CoreV1().Pods(namespace).GetLogs(t.Pod, &corev1.PodLogOptions{
		Container: t.Container, Previous: t.Previous, TailLines: &lines, LimitBytes: &limit,
	}).Stream(ctx)
	if err != nil {
		return "", false, err
	}
	defer stream.Close()
	text, cut, err = lastLines(stream, most)
	if strings.HasPrefix(text, noLogsReadable) {
		return "", false, nil
	}
	return text, cut, err
}

// lastLines reads to the end and keeps the last whole lines. A part of a line may be a part of a secret, which nobody
// would recognise, so there is none.
func lastLines(from io.Reader, most int) (text string, cut bool, err error) {
	var kept []byte
	chunk := make([]byte, 32<<10)
	read, lines := 0, 0
	for err == nil {
		var n int
		n, err = from.Read(chunk)
		read, lines = read+n, lines+bytes.Count(chunk[:n], []byte{'\n'})
		if kept = append(kept, chunk[:n]...); len(kept) > 2*most {
			kept = append(kept[:0], kept[len(kept)-most-1:]...)
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	cut = read > most || lines >= mostLines || err != nil
	if len(kept) > most { // one byte more tells whether a line begins there
		kept = kept[len(kept)-most-1:]
		kept = kept[bytes.IndexByte(kept, '\n')+1:]
		if len(kept) > most {
			kept = nil // one line without an end
		}
	}
	if err != nil || read >= mostRead {
		kept = kept[:bytes.LastIndexByte(kept, '\n')+1]
	}
	return string(kept), cut, err
}
