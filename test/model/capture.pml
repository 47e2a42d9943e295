/*
 * The capture ring of include/spsc_ring.h: as_ring_reserve and as_ring_commit on the media thread, as_ring_peek and
 * as_ring_release on the pump.
 *
 * Memory is weak as it is on arm64. The media thread's stores wait in a store buffer and leave it in any order, but for
 * two to one address, and but for a store-release, which leaves after all that were put in before it. The pump's loads
 * are done in order; what a missing acquire or release would permit is spelt out under the names below. Not modelled,
 * since nothing would show: the acquire on head in reserve (the stores that follow depend on the branch, and no store is
 * made ahead of one) and the time that head takes to be seen (the ring then looks fuller than it is).
 *
 * An empty ring is begun anew at its start; base tells the pump, which finds nothing it has not read below that.
 *
 * The unit is a cell of 8 bytes, to which the rings align. A header has 2 cells here, so that a remainder too short for
 * one occurs at the ring's end; the samples have 0 to 2. Header and samples carry the frame's number, so that an old or
 * torn one is seen.
 *
 * BREAK NO_COMMIT_RELEASE  the new tail is an ordinary store: it may be seen before the frame
 * BREAK NO_PEEK_ACQUIRE    tail is an ordinary load: the frame's loads may be done before it
 * BREAK NO_FREE_RELEASE    the new head is an ordinary store: it may be seen before the frame has been read
 * BREAK SKIP_IS_FREE       the cells skipped at the ring's end are not counted as taken
 * BREAK NO_SKIP_MARK       the skip is not marked
 * BREAK ANEW_UNREAD        the ring is begun anew while frames wait in it
 * BREAK NO_BASE            the pump is not told that it was
 * BREAK BASE_WHEN_EMPTY    the pump looks at base also when tail says that there is nothing
 */

#define SIZE 8
#define FRAMES 5
#define HEADER 2
#define SAMPLES_MAX 2

#define SKIP 255
#define HEAD(f, n) (16 + (f) * 4 + (n)) /* a header's first cell */
#define BODY(f) (128 + (f))             /* its second, and samples */

byte data[SIZE];
byte tail, head; /* cells ever written and read; they do not wrap within FRAMES */
byte base;       /* cells that need not be read any more */

/* the media thread's store buffer, oldest first; cell SIZE is tail, the one behind it base */
#define ROOM 7
byte where[ROOM], what[ROOM];
bool release[ROOM];
byte stores;

byte dropped, taken;
bool ended; /* the media thread has done all it had to do */

/* the frame that the pump is reading, first cell and one behind the last: nobody may write there */
byte reading_from, reading_to;

#ifdef NO_COMMIT_RELEASE
#define COMMIT false
#else
#define COMMIT true
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
		:: where[i] == SIZE + 1 -> base = what[i]
		:: else ->
			assert(where[i] < reading_from || where[i] >= reading_to);
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

proctype media()
{
	byte f, n, seen, own, at, to, next, low, i;
	bool no_room, anew;

	do
	:: f < FRAMES ->
		if
		:: n = 0
		:: n = 1
		:: n = SAMPLES_MAX
		fi;
		seen = head;
		d_step {
			at = own % SIZE;
			to = at;
			next = own + HEADER + n;
#ifdef ANEW_UNREAD
			anew = at != 0;
#else
			anew = seen == own && at != 0;
#endif
			if
			:: anew || HEADER + n > SIZE - at ->
				to = 0;
				next = own + (SIZE - at) + HEADER + n
			:: else
			fi;
			if
			:: seen < low -> seen = low
			:: else
			fi;
			if
			:: anew -> no_room = false
			:: else ->
#ifdef SKIP_IS_FREE
				no_room = own + HEADER + n - seen > SIZE
#else
				no_room = next - seen > SIZE
#endif
			fi
		}
		if
		:: no_room -> dropped++
		:: else ->
#ifndef NO_SKIP_MARK
			if
			:: to != at && !anew && SIZE - at >= HEADER -> store(at, SKIP, false)
			:: else
			fi;
#endif
			if
			:: anew ->
				low = own + (SIZE - at);
#ifndef NO_BASE
				store(SIZE + 1, low, false)
#endif
			:: else
			fi;
			store(to, HEAD(f, n), false);
			for (i : 1 .. HEADER + n - 1) {
				store(to + i, BODY(f), false)
			}
			store(SIZE, next, COMMIT);
			own = next
		fi;
		f++
	:: else -> break
	od;
	ended = true
}

proctype pump()
{
	byte own, seen, at, first, cell, n, f, i, expect;
#ifdef NO_PEEK_ACQUIRE
	byte early[SIZE]; /* what loads saw that were done before tail was loaded */
#define LOAD(to, from) if :: to = data[from] :: to = early[from] fi
#else
#define LOAD(to, from) to = data[from]
#endif
#ifdef BASE_WHEN_EMPTY
#define EMPTY false
#else
#define EMPTY seen == own
#endif

	do
	:: true ->
#ifdef NO_PEEK_ACQUIRE
		d_step { for (i : 0 .. SIZE - 1) { early[i] = data[i] } }
#endif
		seen = tail;
		if
		:: EMPTY
		:: else ->
			if
			:: base > own -> own = base; head = own
			:: else
			fi
		fi;
		if
		:: seen == own ->
			if
			:: tail != own
			:: ended && stores == 0 && tail == own -> break
			fi
		:: else ->
			at = own % SIZE;
			if
			:: SIZE - at < HEADER -> first = SKIP
			:: else -> LOAD(first, at)
			fi;
			if
			:: first == SKIP -> own = own + (SIZE - at)
			:: else ->
				n = first % 4;
				f = (first - 16) / 4;
				assert(first >= 16 && first < 128 && n <= SAMPLES_MAX && f >= expect);
#ifdef NO_FREE_RELEASE
				own = own + HEADER + n;
				head = own;
#else
				d_step { reading_from = at; reading_to = at + HEADER + n }
#endif
				for (i : 1 .. HEADER + n - 1) {
					LOAD(cell, at + i);
					assert(cell == BODY(f))
				}
				atomic { reading_from = 0; reading_to = 0 }
				taken++;
				expect = f + 1;
#ifndef NO_FREE_RELEASE
				own = own + HEADER + n
#endif
			fi;
			head = own;
			atomic { first = 0; cell = 0; n = 0; i = 0; at = 0; f = 0 }
		fi
	od;
	assert(taken + dropped == FRAMES && head == tail)
}

init { atomic { run memory(); run media(); run pump() } }
