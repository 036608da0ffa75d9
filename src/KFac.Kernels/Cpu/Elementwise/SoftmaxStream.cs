using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary>Softmax and its cross-entropy where the probabilities go past the caches.</summary>
/// <remarks>eᶻ of a row is kept on the stack, and only its multiple is written. Three rows are under way at once, so that memory reads and
/// writes all the time: the largest logit of the next is sought, powers of this are taken, those of the last are scaled and written.</remarks>
internal static unsafe class SoftmaxStream
{
    /// <summary>Columns at most: powers of a row lie on the stack, which half of a first-level cache holds.</summary>
    public const int MostColumns = 4096;

    /// <summary>Probabilities and losses of some rows.</summary>
    [SkipLocalsInit]
    public static void Forward<TSimd, TVector>(ref SoftmaxRows c, int first, int end)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        float* memory = stackalloc float[(2 * MostColumns) + CacheLine.Floats];
        float* powers = CacheLine.Align(memory);
        float* last = powers + MostColumns;
        float sum = 0;
        float maximum = SimdRow<TSimd, TVector>.Max(c.Input(first), c.Columns);
        for (int row = first; row < end; row++)
        {
            float gap = c.Gap<TSimd, TVector>(row, maximum);
            float* next = c.Input(Math.Min(row + 1, end - 1));
            if (row == first)
            {
                sum = SimdRow<TSimd, TVector>.ExpAndSum(c.Input(row), maximum, powers, c.Columns);
                maximum = SimdRow<TSimd, TVector>.Max(next, c.Columns);
            }
            else
            {
                (maximum, sum) = StreamRow<TSimd, TVector>(next, c.Input(row), maximum, powers, last, 1 / sum, c.Output(row - 1), c.Columns);
            }

            c.Losses[row] = c.Labels[row] == SoftmaxRows.Masked ? 0 : MathF.Log(sum) + gap;
            float* spent = last;
            last = powers;
            powers = spent;
        }

        ElementSpan<ShiftScaleMap, TSimd, TVector>.ApplyStreaming(new ShiftScaleMap(0, 1 / sum), last, c.Output(end - 1), null, null, c.Columns);
    }

    /// <summary><c>powers ← e^{z − shift}</c> and <c>p ← factor·last</c>.</summary>
    /// <returns>The largest element of <paramref name="next"/>, and the sum of powers, added in the order of
    /// <see cref="SimdRow{TSimd, TVector}.ExpAndSum"/>.</returns>
    private static (float Largest, float Sum) StreamRow<TSimd, TVector>(
        float* next, float* z, float shift, float* powers, float* last, float factor, float* p, int count)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        TVector lowest = TSimd.Create(float.NegativeInfinity), maxima = lowest, sums = TSimd.Zero;
        TVector offset = TSimd.Create(shift), factors = TSimd.Create(factor);
        int i = 0;
        for (; i + TSimd.Count <= count; i += TSimd.Count)
        {
            maxima = TSimd.AtLeast(maxima, TSimd.Load(next + i));
            TSimd.StoreStreaming(TSimd.Multiply(factors, TSimd.Load(last + i)), p + i);
            TVector power = SimdMath<TSimd, TVector>.ExpOfNegative(TSimd.Subtract(TSimd.Load(z + i), offset));
            TSimd.Store(power, powers + i);
            sums = TSimd.Add(sums, power);
        }

        if (i < count)
        {
            int left = count - i;
            TVector inside = TSimd.First(left);
            maxima = TSimd.AtLeast(maxima, TSimd.Select(inside, TSimd.LoadPartial(next + i, left), lowest));
            TSimd.StorePartial(TSimd.Multiply(factors, TSimd.LoadPartial(last + i, left)), p + i, left);
            TVector power = SimdMath<TSimd, TVector>.ExpOfNegative(TSimd.Subtract(TSimd.LoadPartial(z + i, left), offset));
            TSimd.StorePartial(power, powers + i, left);
            sums = TSimd.Add(sums, TSimd.Select(inside, power, TSimd.Zero));
        }

        return (TSimd.Largest(maxima), TSimd.Sum(sums));
    }
}
