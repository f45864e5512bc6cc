package native

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/bulkhead-dev/bulkhead/internal/fault"
	"github.com/bulkhead-dev/bulkhead/internal/jail"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
)

var (
	_ sandbox.Overlayer = (*Layer)(nil)
	_ sandbox.Protector = (*Layer)(nil)
)

// Overlays says that folders can be shown through overlays.
func (l *Layer) Overlays() bool { return true }

// Protects says that protected paths are kept as far as they can be.
func (l *Layer) Protects() bool { return true }

// overlays lays out the overlays of the request, and returns the grants that
// are left to be bound directly. None of them is for writing what an overlay
// covers: it would lead past the overlay.
func (pl *plan) overlays(grants []grant) (direct []grant, err error) {
	places := map[string]string{} // by source: where inside its overlay stands
	for _, g := range grants {
		o, covered := pl.overlayOver(g)
		if covered && o.Source == g.source && places[g.source] == "" {
			if err := pl.overlay(g, o); err != nil {
				return nil, err
			}
			places[g.source] = g.target
		}
	}
	for _, o := range pl.req.Overlays {
		if places[o.Source] == "" {
			return nil, fault.Newf(fault.Invalid, "%s is to be shown through an overlay, but is not granted for writing", o.Source)
		}
	}
	for _, g := range grants {
		o, covered := pl.overlayOver(g)
		if !covered {
			if err := pl.passes(g); err != nil {
				return nil, err
			}
			direct = append(direct, g)
			continue
		}
		if at := places[o.Source] + strings.TrimPrefix(g.source, o.Source); at != g.target {
			pl.spec.Links = append(pl.spec.Links, jail.Link{Path: g.target, Target: at})
		}
	}
	return direct, nil
}

// passes refuses a direct grant for writing that holds the folder of an overlay.
func (pl *plan) passes(g grant) error {
	for _, o := range pl.req.Overlays {
		if g.write && within(o.Source, g.source) {
			return fault.Newf(fault.Invalid, "%s is granted for writing and holds %s, which is to be shown through an overlay", g.source, o.Source).
				WithHint("show the outer folder through an overlay too, or do not grant it")
		}
	}
	return nil
}

// overlayOver is the overlay that covers what a grant may write.
func (pl *plan) overlayOver(g grant) (sandbox.Overlay, bool) {
	if !g.write {
		return sandbox.Overlay{}, false
	}
	i := slices.IndexFunc(pl.req.Overlays, func(o sandbox.Overlay) bool { return o.Source == g.source })
	if i < 0 {
		i = slices.IndexFunc(pl.req.Overlays, func(o sandbox.Overlay) bool { return within(g.source, o.Source) })
	}
	if i < 0 {
		return sandbox.Overlay{}, false
	}
	return pl.req.Overlays[i], true
}

// maxLayers bounds the layers of one overlay, so that their mount options fit
// into a page and their descriptors into a program.
const maxLayers = 16

// overlay lays out one overlay at the place of a grant.
func (pl *plan) overlay(g grant, o sandbox.Overlay) error {
	if !g.folder {
		return fault.Newf(fault.Invalid, "%s is a file; only folders can be shown through an overlay", g.source).
			WithHint("grant its folder instead")
	}
	if len(o.Layers)+1 > maxLayers {
		return fault.Newf(fault.Invalid, "%s has %d layers above it; at most %d can be shown", g.source, len(o.Layers), maxLayers-1).
			WithHint("commit or discard some of them")
	}
	for _, dir := range append([]string{o.Upper}, o.Layers...) {
		if !filepath.IsAbs(dir) || filepath.Clean(dir) != dir {
			return fault.Newf(fault.Internal, "layer %q is not a clean absolute path", dir)
		}
	}
	spec := jail.Overlay{Target: g.target, Upper: o.Upper, Lower: append(slices.Clone(o.Layers), g.source), User: pl.user == nil}
	if pl.user != nil {
		n, err := pl.layerMapped(g.owner)
		if err != nil {
			return err
		}
		spec.Mapped = n
	}
	pl.spec.Overlays = append(pl.spec.Overlays, spec)
	return nil
}

// layerMapped is mapped for the layers of an overlay.
func (pl *plan) layerMapped(o owner) (int, error) {
	f, err := pl.user.layerMapFor(o)
	if err != nil {
		return 0, fault.Newf(fault.Unsupported, "%s: %w", jail.StepGrants, err)
	}
	return pl.useMap(f), nil
}

// tellGrants reports what is shown of the host, and how.
func (pl *plan) tellGrants(grants []grant) {
	for _, o := range pl.spec.Overlays {
		pl.enforced(jail.StepGrants, "read and write %s in an overlay; %s itself is never written", o.Target, o.Lower[len(o.Lower)-1])
	}
	overlaid := func(target string) bool {
		return slices.ContainsFunc(pl.spec.Overlays, func(o jail.Overlay) bool { return within(target, o.Target) })
	}
	if pl.req.Workspace != "" && !overlaid(WorkPath) {
		pl.enforced(jail.StepGrants, "read and write %s (the work folder)", WorkPath)
	}
	for _, g := range grants {
		if _, covered := pl.overlayOver(g); !covered {
			pl.enforced(jail.StepGrants, "%s %s", access(g.write), g.target)
		}
	}
}

// layerMapFor returns the user namespace for the layers of an overlay: the map
// of mapFor, and host root as well, because the kernel makes files of the
// overlay's own with the ids of the one who mounted it.
func (usr *user) layerMapFor(o owner) (*os.File, error) {
	return usr.mapOnce(mapKey{owner: o, layer: true}, layerIDs(o.uid, usr.uid), layerIDs(o.gid, usr.uid))
}

// layerIDs maps an owner's id on disk to the user's, and root to itself. Where
// the owner is root, the user's id on disk, which nothing has, stands for root.
func layerIDs(disk, inside int) []syscall.SysProcIDMap {
	root := 0
	if disk == 0 {
		root = inside
	}
	return append(oneID(disk, inside), oneID(root, 0)...)
}
