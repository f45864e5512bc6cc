package sandbox

import "github.com/bulkhead-dev/bulkhead/internal/fault"

// Overlayer is a layer that can show folders through overlays. A layer that is
// none would write to the host what a request wants kept apart from it.
type Overlayer interface {
	Overlays() bool
}

// Protector is a layer that keeps protected paths in folders that it shows
// directly; see policy.Guard.
type Protector interface {
	Protects() bool
}

// mayWrite refuses a request that a layer would carry out with less care for
// the host's folders than was asked for.
func mayWrite(l Layer, req Request) error {
	o, overlays := l.(Overlayer)
	if len(req.Overlays) > 0 && !(overlays && o.Overlays()) {
		return fault.Newf(fault.Unsupported, "layer %q cannot show folders through an overlay", l.Name()).
			WithHint("use the layer native, or leave --overlay out")
	}
	p, protects := l.(Protector)
	if len(req.Policy.Filesystem.Protect) > 0 && !req.Policy.BestEffort && !(protects && p.Protects()) {
		return fault.Newf(fault.Unsupported, "layer %q cannot keep the paths of filesystem.protect", l.Name()).
			WithHint("use the layer native, or grant narrower folders")
	}
	return nil
}
