package jail

// Overlay shows folders of the host, one above the other, as one writable
// folder. What is written inside goes to the topmost alone: overlayfs.
type Overlay struct {
	Target string   // inside
	Upper  string   // host folder that holds the folders fs, which takes what is written, and work, the kernel's scratch
	Lower  []string // host folders beneath, the topmost first; they are never written
	Mapped int      // as Bind.Mapped, for every layer: see overlay_linux.go for the ids that the map needs
	User   bool     // marks are user.overlay.*, as an ordinary user's overlay has them; else trusted.overlay.*
}

// Pin is a place in the new tree that is mounted over itself, so that nobody
// inside can rename or replace it.
type Pin struct {
	Path  string
	Write bool // what is beneath stays as writable as it was; else it becomes read-only
}

// StepProtect is the name of the wall around protected paths.
const StepProtect = "protected paths"
