package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// plainNetwork is Network without its methods.
type plainNetwork Network

// IsZero says that nothing may be reached.
func (n Network) IsZero() bool { return len(n.Allow) == 0 }

// MarshalJSON writes "none" or {"allow": […]}.
func (n Network) MarshalJSON() ([]byte, error) {
	if n.IsZero() {
		return []byte(`"none"`), nil
	}
	return json.Marshal(plainNetwork(n))
}

// UnmarshalJSON reads what MarshalJSON writes; anything else is an error.
func (n *Network) UnmarshalJSON(data []byte) error {
	if string(data) == `"none"` {
		*n = Network{}
		return nil
	}
	var plain *plainNetwork
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&plain); err != nil || plain == nil {
		return fmt.Errorf(`network is "none" or {"allow": […]}`)
	}
	*n = Network(*plain)
	return nil
}

// IsZero says that no path is named.
func (f Filesystem) IsZero() bool {
	return len(f.Read) == 0 && len(f.Write) == 0 && len(f.Protect) == 0
}

// IsZero says that nothing is set or passed.
func (e Env) IsZero() bool { return len(e.Set) == 0 && len(e.Pass) == 0 }
