package prometheus

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// backendTime bounds the question what the server is.
const backendTime = 2 * time.Second

// versionShape is what a version may look like; nothing else is repeated.
var versionShape = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z.+_-]{0,40}$`)

// Backend says what answers: "Prometheus 2.42.0", "Thanos 0.36.1", "Mimir
// 2.13.0", "VictoriaMetrics", or "" when that cannot be told within two
// seconds. It is a guess for a report: nothing may depend on it.
func (c *Client) Backend(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, min(backendTime, c.timeout))
	defer cancel()
	address := c.base.URL("/api/v1/status/buildinfo", nil)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil)
	if err != nil {
		return ""
	}
	resp, body, err := c.base.Do(ctx, req)
	if err != nil || resp.StatusCode != http.StatusOK {
		return ""
	}
	var info struct {
		Data struct{ Application, Version, Revision string }
	}
	if json.Unmarshal(body, &info) != nil {
		return ""
	}
	version := info.Data.Version
	if !versionShape.MatchString(version) {
		version = ""
	}
	switch {
	case strings.Contains(info.Data.Application, "Mimir"):
		return strings.TrimSpace("Mimir " + version)
	case version == "":
		return ""
	case resp.Header.Get("X-Server-Hostname") != "" && info.Data.Revision == "":
		return "VictoriaMetrics" // the version it tells is one of Prometheus
	case strings.HasPrefix(version, "0."):
		return "Thanos " + version // Prometheus has been above 1 since it had this address
	}
	return "Prometheus " + version
}
