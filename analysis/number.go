package analysis

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
)

// Number is a float that survives JSON. JSON has no NaN and no infinity, so
// these are the strings "NaN", "+Inf" and "-Inf", as in the Prometheus HTTP
// API; every other value is a plain JSON number.
type Number float64

// MarshalJSON writes a number, or one of three strings.
func (n Number) MarshalJSON() ([]byte, error) {
	f := float64(n)
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return json.Marshal(strconv.FormatFloat(f, 'g', -1, 64))
	}
	return json.Marshal(f)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (n *Number) UnmarshalJSON(data []byte) error {
	var f float64
	if json.Unmarshal(data, &f) == nil {
		*n = Number(f)
		return nil
	}
	var word string
	if err := json.Unmarshal(data, &word); err != nil {
		return fmt.Errorf("reading number: %w", err)
	}
	switch word {
	case "NaN":
		*n = Number(math.NaN())
	case "+Inf":
		*n = Number(math.Inf(1))
	case "-Inf":
		*n = Number(math.Inf(-1))
	default:
		return fmt.Errorf("reading number: %q is not a number", word)
	}
	return nil
}
