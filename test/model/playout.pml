/*
 * The playout ring of include/spsc_ring.h: as_playout_put and as_playout_clear on Go's side, as_playout_take on the
 * media thread. Puts and clears of one stream never run at once: goside/playback holds its mutex.
 *
 * Memory is weak as it is on arm64: Go's stores wait in a store buffer and leave it in any order, but for two to one
 * address, and but for a store-release, which leaves after all that were put in before it. A compare-and-swap empties
 * the buffer first. The media thread's loads are done in order; what a missing acquire or release would permit is spelt
 * out under the names below.
 *
 * A sample's value is its position, so that an old or torn one is seen.
 *
 * BREAK NO_PUT_RELEASE   the new tail is an ordinary store: it may be seen before the samples
 * BREAK NO_TAKE_ACQUIRE  tail is an ordinary load: the samples' loads may be done before it
 * BREAK NO_DONE_RELEASE  done is an ordinary store: it may be seen before the copy is over
 * BREAK SPACE_FROM_HEAD  free space counts from head instead of done: a clear gives back what is being copied
 * BREAK CLEAR_STORES     a clear stores head instead of compare-and-swap
 * BREAK TAKE_STORES      a take stores head instead of compare-and-swap
 */

#define SIZE 4
#define SAMPLES 7 /* put in all */
#define CLEARS 3  /* at most */
#define FRAME 2

byte data[SIZE];
byte tail, head, finished; /* positions; finished is the ring's `done`, a name that spin keeps for itself */

/* Go's store buffer, oldest first; cell SIZE is tail */
#define ROOM 5
byte where[ROOM], what[ROOM];
bool release[ROOM];
byte stores;

byte cleared, taken, skipped; /* samples: as Go counts clears, as the media thread counts takes and jumps */
byte copy_from, copy_to;      /* positions the media thread is copying: nobody may write there */
bool ended;                   /* Go has put and cleared all it had to */

#ifdef NO_PUT_RELEASE
#define PUT false
#else
#define PUT true
#endif

inline store(cell, value, ordered)
{
	atomic {
		stores < ROOM;
		where[stores] = cell;
		what[stores] = value;
		release[stores] = ordered;
		stores++
	}
}

proctype memory()
{
	byte i, j;

end:
	do
	:: atomic {
		stores > 0;
		i = 0;
		do
		:: i + 1 < stores -> i++
		:: break
		od;
		j = 0;
		do
		:: j < i && (release[i] || where[j] == where[i]) -> i = 0; break /* not yet: the oldest instead */
		:: j < i && !(release[i] || where[j] == where[i]) -> j++
		:: j >= i -> break
		od;
		if
		:: where[i] == SIZE -> tail = what[i]
		:: else ->
			for (j : 1 .. FRAME) {
				assert(!(copy_from + j <= copy_to && (copy_from + j - 1) % SIZE == where[i]))
			}
			data[where[i]] = what[i]
		fi;
		j = i;
		do
		:: j + 1 < stores -> where[j] = where[j + 1]; what[j] = what[j + 1]; release[j] = release[j + 1]; j++
		:: else -> break
		od;
		stores--;
		where[stores] = 0;
		what[stores] = 0;
		release[stores] = false;
		i = 0;
		j = 0
	}
	od
}

proctype go_side()
{
	byte own, seen, n, clears; /* own: tail */

	do
	:: own < SAMPLES -> /* put what fits, one to three */
#ifdef SPACE_FROM_HEAD
		seen = head;
#else
		seen = finished;
#endif
		if
		:: n = 1
		:: n = 2
		:: n = 3
		fi;
		do
		:: n > 0 && own < SAMPLES && own - seen < SIZE -> store(own % SIZE, own + 1, false); own++; n--
		:: else -> break
		od;
		n = 0;
		store(SIZE, own, PUT)
	:: clears < CLEARS ->
		clears++;
		stores == 0; /* the compare-and-swap empties the buffer */
		seen = head;
#ifdef CLEAR_STORES
		if
		:: seen < own -> head = own; cleared = cleared + (own - seen)
		:: else
		fi
#else
		do
		:: seen < own ->
			atomic {
				if
				:: head == seen -> head = own; cleared = cleared + (own - seen); break
				:: else -> seen = head
				fi
			}
		:: else -> break
		od
#endif
	:: own == SAMPLES -> break
	od;
	stores == 0;
	ended = true
}

proctype media()
{
	byte at, until, n, i, next;
	byte copy[FRAME];
	bool mine;
#ifdef NO_TAKE_ACQUIRE
	byte early[SIZE]; /* what loads saw that were done before tail was loaded */
#define LOAD(to, from) if :: to = data[from] :: to = early[from] fi
#else
#define LOAD(to, from) to = data[from]
#endif

	do
	:: true ->
		at = head;
		finished = at;
		/* positions between two takes were cleared */
		d_step {
			assert(at >= next);
			skipped = skipped + (at - next);
			next = at
		}
#ifdef NO_TAKE_ACQUIRE
		d_step { for (i : 0 .. SIZE - 1) { early[i] = data[i] } }
#endif
		until = tail;
		n = (until > at -> until - at : 0);
		n = (n > FRAME -> FRAME : n);
		if
		:: n == 0 ->
			if
			:: tail > head || head != at
			:: ended && head == at && tail == at -> break
			fi
		:: else ->
#ifdef NO_DONE_RELEASE
			finished = at + n;
#endif
			d_step { copy_from = at; copy_to = at + n }
			for (i : 0 .. n - 1) {
				LOAD(copy[i], (at + i) % SIZE)
			}
			atomic { copy_from = 0; copy_to = 0 }
#ifdef TAKE_STORES
			head = at + n;
			mine = true;
#else
			atomic {
				mine = (head == at);
				if
				:: mine -> head = at + n
				:: else
				fi
			}
#endif
			if
			:: mine ->
				d_step {
					for (i : 0 .. n - 1) {
						assert(copy[i] == at + i + 1)
					}
					taken = taken + n;
					next = at + n
				}
				finished = at + n
			:: else -> until = head; finished = until
			fi;
			d_step { copy[0] = 0; copy[1] = 0; i = 0; n = 0; until = 0; at = 0; mine = false }
		fi
	od;
	assert(taken + cleared == SAMPLES && skipped == cleared)
}

init { atomic { run memory(); run go_side(); run media() } }
