package main

import (
	"fmt"
	"io"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/record"
)

// gitlabCI has collapsible sections in its log, and takes variables and links from files of the job.
func gitlabCI() ciSystem {
	return ciSystem{
		name: "gitlab", colors: true,
		detect: func(getenv func(string) string) bool { return getenv("GITLAB_CI") != "" },
		pipeline: func(getenv func(string) string) record.Pipeline {
			return record.Pipeline{URL: getenv("CI_JOB_URL"), Commit: getenv("CI_COMMIT_SHA"), Actor: getenv("GITLAB_USER_LOGIN")}
		},
		log: func(w io.Writer, getenv func(string) string) ciLog {
			files := gitlabFiles{getenv}
			return ciLog{text: w, folder: &sections{w: w}, finish: files.finish}
		},
	}
}

// sections are the collapsible parts of a GitLab log.
type sections struct {
	w io.Writer
	n int
}

// Open begins a section that is folded until somebody clicks on it.
func (s *sections) Open(title string) {
	s.n++
	s.mark("start", "[collapsed=true]", flat(title))
}

// Close ends the section.
func (s *sections) Close() { s.mark("end", "", "") }

// mark writes a marker. A failure to write is not lost: whatever is written next to the same log reports it.
func (s *sections) mark(word, option, title string) {
	fmt.Fprintf(s.w, "\x1b[0Ksection_%s:%d:rolloutgate_%d%s\r\x1b[0K%s\n", word, time.Now().Unix(), s.n, option, title)
}
