/*
 * The floor: how fast one core does the bare arithmetic of a training step of
 * the paper's flow on the 16×16 lattice, 512 configurations, not symmetrised.
 *
 * A step draws every block of every layer once (the sampling pass) and then
 * goes back through all of them, computing the activations anew. What a step
 * needs besides is left out: random numbers, gathering tiles from the lattice,
 * the energy, the optimiser.
 *
 *     cc -O3 -march=native -ffast-math -mprefer-vector-width=512 floor.c -lm
 *     ./a.out [steps]
 *
 *     -DDBL            float64 instead of float32
 *     -DH=64 -DNM=2    NM hidden layers of H units each; 3 of 10 by default
 *     -march=x86-64-v3 AVX2 instead of all that the processor has
 *
 * A tile is BATCH rows. A variable of a tile is a column of BATCH values, and
 * all loops that matter run along columns, so that any compiler can turn them
 * into vector code.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifdef DBL
typedef double real;
typedef long long bits;
#else
typedef float real;
typedef int bits;
#endif

#ifndef H
#define H 10
#endif
#ifndef NM
#define NM 3
#endif

enum {
    BATCH = 64,      /* rows of a tile */
    ROWS = 512,      /* configurations */
    LAYERS = 8,
    COUPLINGS = 10,  /* per block */
    HALF = 2,        /* values that a coupling reads, and that it moves */
    MAXSTEPS = 1000
};
static const int blocks[LAYERS] = {64, 64, 16, 16, 4, 4, 1, 1};

_Static_assert(H % 2 == 0 && NM >= 1, "dense_run takes outputs in pairs");

typedef real column[BATCH];
#define ALONG(r) for (int r = 0; r < BATCH; r++)

/* Each row of weights starts with the bias. */
struct net {
    real first[H][1 + HALF];
    real inner[NM - 1][H][1 + H];
    real last[HALF][1 + H];
};
struct coupling {
    struct net scale, shift;
    real range[HALF]; /* s = range · tanh(scale net) */
};

/* What going back through a coupling needs. */
struct record {
    column before[2 * HALF];
    column factor[HALF]; /* exp(s) */
    struct acts {
        column hidden[NM][H], out[HALF];
    } scale, shift;
};

/* 2^k·exp(r) by the Taylor series of exp; not for results that overflow or
 * underflow. */
static inline real exponential(real x)
{
    union { bits i; real f; } two_k;
#ifdef DBL
    double k = __builtin_rint(x * 1.44269504088896341);
    double r = x - k * 0.6931471803691238 - k * 1.9082149292705877e-10;
    double p = 1. / 39916800;
    p = 1. / 3628800 + r * p;
    p = 1. / 362880 + r * p;
    p = 1. / 40320 + r * p;
    p = 1. / 5040 + r * p;
    /* By way of int, for which AVX2 has instructions. */
    two_k.i = (bits)((int)k + 1023) << 52;
#else
    float k = __builtin_rintf(x * 1.44269504f);
    float r = x - k * 0.693359375f - k * -2.12194440e-4f;
    float p = 1.f / 5040;
    two_k.i = ((int)k + 127) << 23;
#endif
    p = (real)(1. / 720) + r * p;
    p = (real)(1. / 120) + r * p;
    p = (real)(1. / 24) + r * p;
    p = (real)(1. / 6) + r * p;
    p = (real)(1. / 2) + r * p;
    return two_k.f * (1 + r * (1 + r * p));
}

static inline real elu(real x) { return x > 0 ? x : exponential(x < 0 ? x : 0) - 1; }

/* to = w·from + bias, followed by ELU in hidden layers. Outputs go in pairs:
 * what is loaded serves both. */
static inline void dense_run(column *to, const real *w, const column *from, int no, int ni, int is_hidden)
{
    for (int o = 0; o < no; o += 2, w += 2 * (1 + ni)) {
        const real *v = w + 1 + ni;
        column p, q;
        ALONG(r) p[r] = w[0], q[r] = v[0];
        for (int i = 0; i < ni; i++)
            ALONG(r) {
                p[r] += w[1 + i] * from[i][r];
                q[r] += v[1 + i] * from[i][r];
            }
        if (is_hidden)
            ALONG(r) to[o][r] = elu(p[r]), to[o + 1][r] = elu(q[r]);
        else
            ALONG(r) to[o][r] = p[r], to[o + 1][r] = q[r];
    }
}

/* From the gradient d of what dense_run computed: adds that of the weights to
 * g and returns that of its inputs in back. If those are activations, it goes
 * on through their ELU, whose slope is 1 + min(activation, 0). */
static inline void dense_back(column *back, real *g, const real *w, const column *from, const column *d, int no, int ni,
                              int is_hidden)
{
    for (int o = 0; o < no; o++) {
        real *go = g + o * (1 + ni), bias = 0;
        ALONG(r) bias += d[o][r];
        go[0] += bias;
        for (int i = 0; i < ni; i++) {
            real sum = 0;
            ALONG(r) sum += d[o][r] * from[i][r];
            go[1 + i] += sum;
        }
    }
    for (int i = 0; i < ni; i++) {
        column sum = {0};
        for (int o = 0; o < no; o++) {
            real weight = w[o * (1 + ni) + 1 + i];
            ALONG(r) sum[r] += weight * d[o][r];
        }
        if (is_hidden)
            ALONG(r) back[i][r] = sum[r] * (1 + (from[i][r] < 0 ? from[i][r] : 0));
        else
            ALONG(r) back[i][r] = sum[r];
    }
}

static void net_run(struct acts *a, const struct net *n, const column *in)
{
    dense_run(a->hidden[0], n->first[0], in, H, HALF, 1);
    for (int m = 0; m < NM - 1; m++)
        dense_run(a->hidden[m + 1], n->inner[m][0], a->hidden[m], H, H, 1);
    dense_run(a->out, n->last[0], a->hidden[NM - 1], HALF, H, 0);
}

/* Adds the gradient of the inputs to din and that of the weights to g. */
static void net_back(column *din, struct net *g, const struct net *n, const column *in, const struct acts *a,
                     const column *dout)
{
    column turns[2][H], back[HALF], *d = turns[0], *next = turns[1];
    dense_back(d, g->last[0], n->last[0], a->hidden[NM - 1], dout, HALF, H, 1);
    for (int m = NM - 2; m >= 0; m--) {
        dense_back(next, g->inner[m][0], n->inner[m][0], a->hidden[m], d, H, H, 1);
        column *t = d;
        d = next, next = t;
    }
    dense_back(back, g->first[0], n->first[0], in, d, H, HALF, 0);
    for (int i = 0; i < HALF; i++)
        ALONG(r) din[i][r] += back[i][r];
}

/* A coupling reads one half of the values and moves the other: y exp(s) + t. */
static void coupling_run(column *fixed, column *moved, real *logdet, const struct coupling *c, struct record *rec)
{
    memcpy(rec->before, fixed, HALF * sizeof(column));
    memcpy(rec->before + HALF, moved, HALF * sizeof(column));
    net_run(&rec->scale, &c->scale, fixed);
    net_run(&rec->shift, &c->shift, fixed);
    for (int j = 0; j < HALF; j++)
        ALONG(r) {
            real e = exponential(-2 * rec->scale.out[j][r]), tanh = (1 - e) / (1 + e), s = c->range[j] * tanh;
            rec->scale.out[j][r] = tanh;
            rec->factor[j][r] = exponential(s);
            logdet[r] += s;
            moved[j][r] = moved[j][r] * rec->factor[j][r] + rec->shift.out[j][r];
        }
}

/* Takes the gradient of the images back to what coupling_run was given; that
 * of every log-determinant is −1. */
static void coupling_back(column *dfixed, column *dmoved, struct coupling *g, const struct coupling *c,
                          const struct record *rec)
{
    column dscale[HALF], dshift[HALF];
    for (int j = 0; j < HALF; j++) {
        real drange = 0;
        ALONG(r) {
            real tanh = rec->scale.out[j][r], d = dmoved[j][r] * rec->factor[j][r];
            real ds = d * rec->before[HALF + j][r] - 1;
            drange += ds * tanh;
            dscale[j][r] = ds * c->range[j] * (1 - tanh * tanh);
            dshift[j][r] = dmoved[j][r];
            dmoved[j][r] = d;
        }
        g->range[j] += drange;
    }
    net_back(dfixed, &g->scale, &c->scale, rec->before, &rec->scale, dscale);
    net_back(dfixed, &g->shift, &c->shift, rec->before, &rec->shift, dshift);
}

/* Couplings take turns in which half they move. Without keep, all of them use
 * the first record. */
static void block_run(column *x, real *logdet, const struct coupling *c, struct record *rec, int keep)
{
    for (int k = 0; k < COUPLINGS; k++)
        coupling_run(x + k % 2 * HALF, x + (k + 1) % 2 * HALF, logdet, c + k, rec + k * keep);
}

static void block_back(column *dx, struct coupling *g, const struct coupling *c, const struct record *rec)
{
    for (int k = COUPLINGS - 1; k >= 0; k--)
        coupling_back(dx + k % 2 * HALF, dx + (k + 1) % 2 * HALF, g + k, c + k, rec + k);
}

static struct coupling weights[LAYERS][COUPLINGS], gradient[LAYERS][COUPLINGS];
static struct record records[COUPLINGS];
typedef column tile[2 * HALF];

/* Both passes return a sum of results, lest any of them be left out. */
static double sampling(const tile *in)
{
    double sum = 0;
    for (int k = 0; k < LAYERS; k++)
        for (int n = blocks[k] * ROWS / BATCH; n > 0; n--, in++) {
            tile x;
            column logdet = {0};
            memcpy(x, in, sizeof x);
            block_run(x, logdet, weights[k], records, 0);
            sum += x[0][0] + logdet[BATCH - 1];
        }
    return sum;
}

static double going_back(const tile *end)
{
    double sum = 0;
    for (int k = LAYERS - 1; k >= 0; k--)
        for (int n = blocks[k] * ROWS / BATCH; n > 0; n--) {
            tile x;
            column logdet = {0};
            memcpy(x, --end, sizeof x);
            block_run(x, logdet, weights[k], records, 1);
            block_back(x, gradient[k], weights[k], records); /* of Σ x²/2 − logdet */
            sum += x[0][0];
        }
    return sum;
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

/* The multiply-adds that the core can do, from chains that depend on nothing
 * but themselves and stay in registers: 1e9 operations per second, the best of
 * several trials. */
static double fma_peak(void)
{
#ifdef __AVX512F__
    enum { VECTOR = 64 };
#else
    enum { VECTOR = 32 };
#endif
    typedef real vec __attribute__((vector_size(VECTOR)));
    const long rounds = 1000000;
    const vec zero = {0}, by = zero + (real)0.999, plus = zero + (real)0.001;
    vec a = zero, b = a + 1, c = a + 2, d = a + 3, e = a + 4, f = a + 5;
    vec g = a + 6, h = a + 7, i = a + 8, j = a + 9, k = a + 10, l = a + 11;
    double best = 0;
    for (int trial = 0; trial < 20; trial++) {
        double start = seconds();
        for (long n = 0; n < rounds; n++) {
            a = a * by + plus, b = b * by + plus, c = c * by + plus, d = d * by + plus;
            e = e * by + plus, f = f * by + plus, g = g * by + plus, h = h * by + plus;
            i = i * by + plus, j = j * by + plus, k = k * by + plus, l = l * by + plus;
        }
        double rate = 2e-9 * 12 * VECTOR / sizeof(real) * rounds / (seconds() - start);
        best = rate > best ? rate : best;
        volatile real used = (a + b + c + d + e + f + g + h + i + j + k + l)[0];
        (void)used;
    }
    return best;
}

static double uniform(void) { return rand() / (double)RAND_MAX - 0.5; }

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *x, int n)
{
    qsort(x, n, sizeof *x, ascending);
    return (x[(n - 1) / 2] + x[n / 2]) / 2;
}

int main(int argc, char **argv)
{
    int steps = argc > 1 ? atoi(argv[1]) : 9;
    if (steps < 1 || steps > MAXSTEPS) {
        fprintf(stderr, "steps: want 1 to %d\n", MAXSTEPS);
        return 2;
    }
    int tiles = 0;
    for (int k = 0; k < LAYERS; k++)
        tiles += blocks[k] * ROWS / BATCH;
    tile *in = malloc(tiles * sizeof *in);
    if (!in)
        return 1;
    for (size_t i = 0; i < tiles * sizeof *in / sizeof(real); i++)
        ((real *)in)[i] = uniform();
    for (size_t i = 0; i < sizeof weights / sizeof(real); i++)
        ((real *)weights)[i] = 0.2 * uniform();

    double forth[MAXSTEPS], step[MAXSTEPS], check = 0;
    for (int n = -1; n < steps; n++) { /* the first one warms up */
        double start = seconds();
        check += sampling(in);
        double half = seconds();
        check += going_back(in + tiles);
        if (n >= 0)
            forth[n] = half - start, step[n] = seconds() - start;
    }
    double per_net = 2. * HALF * H + (NM - 1.) * H * H;
    double flops = 8 * per_net * 2 * COUPLINGS * BATCH * tiles;
    double t = median(step, steps);
    printf("float%d, %d hidden layers of %d: sampling pass %.4f s, training step %.4f s (median of %d), "
           "%.1f GFLOP/s, FMA peak %.1f GFLOP/s, check %g\n",
           (int)(8 * sizeof(real)), NM, H, median(forth, steps), t, steps, 1e-9 * flops / t, fma_peak(), check);
}
