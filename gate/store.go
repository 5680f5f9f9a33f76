package gate

import (
	"context"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/record"
)

// Store is where runs are kept, and where they see each other. gate/cluster has the real one. Every method returns soon
// after its context has ended. A right that the account lacks is an error that is [Denied].
type Store interface {
	// Leases are those of all runs in a namespace, of the living and of the dead.
	Leases(ctx context.Context, namespace string) ([]record.Lease, error)
	// TakeLease makes one, RenewLease says that its holder lives, SeizeLease gives it to another holder on the condition
	// that it is as it was read, ReleaseLease deletes it. The error is a *record.LostError when it is somebody else's.
	TakeLease(ctx context.Context, l record.Lease) (record.Lease, error)
	RenewLease(ctx context.Context, l record.Lease) (record.Lease, error)
	SeizeLease(ctx context.Context, l record.Lease, holder string) (record.Lease, error)
	ReleaseLease(ctx context.Context, l record.Lease) error
	// MarkLease writes what a lease says of its run, ReadLease reads it again.
	MarkLease(ctx context.Context, l record.Lease) (record.Lease, error)
	ReadLease(ctx context.Context, l record.Lease) (record.Lease, error)

	// SaveRecord writes the record of a run, LoadRecord reads it. What cannot be read is a *record.FormatError.
	SaveRecord(ctx context.Context, r record.Record) error
	LoadRecord(ctx context.Context, namespace, run string) (record.Record, error)
	// Records lists the runs on record in a namespace, the newest first; ForgetRecord deletes one.
	Records(ctx context.Context, namespace string) ([]record.Summary, error)
	ForgetRecord(ctx context.Context, namespace string, s record.Summary) error

	// Trace finds out what became of a write of which only the plan is known, because its process is dead: Written is set
	// when it was carried out, Prepared when only its owners were.
	Trace(ctx context.Context, w *patch.Write) error
	// Rebase makes the undo of a write also that of an earlier one to the same object; see [patch.Rebase].
	Rebase(ctx context.Context, earlier, w patch.Write) (patch.Write, error)
	// Now is the time by the clock of the API server.
	Now() time.Time
}

// Keeping says where the record of a run is kept.
type Keeping string

// Where a record is kept; "" is KeepInCluster.
const (
	KeepInCluster Keeping = "cluster"
	KeepInFile    Keeping = "file" // for clusters in which nothing may be kept
	KeepNothing   Keeping = "none"
)
