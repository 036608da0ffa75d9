namespace KFac.Kernels.Cpu;

/// <summary>Reductions of one contiguous row.</summary>
internal static unsafe class SimdRow<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary>The largest element; −∞ of none, any element when one is NaN.</summary>
    public static float Max(float* x, int count)
    {
        TVector lowest = TSimd.Create(float.NegativeInfinity);
        TVector maxima = lowest, second = lowest, third = lowest, fourth = lowest;
        int i = 0;
        for (; i + (4 * TSimd.Count) <= count; i += 4 * TSimd.Count)
        {
            maxima = TSimd.AtLeast(maxima, TSimd.Load(x + i));
            second = TSimd.AtLeast(second, TSimd.Load(x + i + TSimd.Count));
            third = TSimd.AtLeast(third, TSimd.Load(x + i + (2 * TSimd.Count)));
            fourth = TSimd.AtLeast(fourth, TSimd.Load(x + i + (3 * TSimd.Count)));
        }

        maxima = TSimd.AtLeast(TSimd.AtLeast(maxima, second), TSimd.AtLeast(third, fourth));
        for (; i + TSimd.Count <= count; i += TSimd.Count)
        {
            maxima = TSimd.AtLeast(maxima, TSimd.Load(x + i));
        }

        if (i < count)
        {
            TVector rest = TSimd.LoadPartial(x + i, count - i);
            maxima = TSimd.AtLeast(maxima, TSimd.Select(TSimd.First(count - i), rest, lowest));
        }

        return TSimd.Largest(maxima);
    }

    /// <summary>Whether <c>x[label]</c> is the first of the largest elements; not when one is NaN.</summary>
    public static bool IsLargest(float* x, int label, int count)
    {
        TVector top = TSimd.Create(x[label]);
        TVector one = TSimd.Create(1);
        TVector wrong = TSimd.Zero;
        int i = 0;
        for (; i + TSimd.Count <= label; i += TSimd.Count)
        {
            wrong = TSimd.Select(TSimd.Less(TSimd.Load(x + i), top), wrong, one);
        }

        TVector around = SimdPart<TSimd, TVector>.Load(x + i, count - i);
        TVector right = TSimd.Select(TSimd.First(label - i), TSimd.Less(around, top), TSimd.LessOrEqual(around, top));
        wrong = TSimd.Select(TSimd.First(count - i), TSimd.Select(right, wrong, one), wrong);
        for (i += TSimd.Count; i + TSimd.Count <= count; i += TSimd.Count)
        {
            wrong = TSimd.Select(TSimd.LessOrEqual(TSimd.Load(x + i), top), wrong, one);
        }

        if (i < count)
        {
            right = TSimd.LessOrEqual(TSimd.LoadPartial(x + i, count - i), top);
            wrong = TSimd.Select(TSimd.First(count - i), TSimd.Select(right, wrong, one), wrong);
        }

        return TSimd.Sum(wrong) == 0;
    }

    /// <summary>The sum of all elements, in four vectors.</summary>
    public static float Sum(float* x, int count)
    {
        TVector s0 = TSimd.Zero, s1 = s0, s2 = s0, s3 = s0;
        int i = 0;
        for (; i + (4 * TSimd.Count) <= count; i += 4 * TSimd.Count)
        {
            s0 = TSimd.Add(s0, TSimd.Load(x + i));
            s1 = TSimd.Add(s1, TSimd.Load(x + i + TSimd.Count));
            s2 = TSimd.Add(s2, TSimd.Load(x + i + (2 * TSimd.Count)));
            s3 = TSimd.Add(s3, TSimd.Load(x + i + (3 * TSimd.Count)));
        }

        for (; i + TSimd.Count <= count; i += TSimd.Count)
        {
            s0 = TSimd.Add(s0, TSimd.Load(x + i));
        }

        if (i < count)
        {
            s1 = TSimd.Add(s1, TSimd.LoadPartial(x + i, count - i));
        }

        return TSimd.Sum(TSimd.Add(TSimd.Add(s0, s1), TSimd.Add(s2, s3)));
    }

    /// <summary><c>Σ (top − x)</c>.</summary>
    public static float SumBelow(float* x, float top, int count)
    {
        TVector sums = TSimd.Zero;
        TVector tops = TSimd.Create(top);
        int i = 0;
        for (; i + TSimd.Count <= count; i += TSimd.Count)
        {
            sums = TSimd.Add(sums, TSimd.Subtract(tops, TSimd.Load(x + i)));
        }

        if (i < count)
        {
            TVector rest = TSimd.Subtract(tops, TSimd.LoadPartial(x + i, count - i));
            sums = TSimd.Add(sums, TSimd.Select(TSimd.First(count - i), rest, TSimd.Zero));
        }

        return TSimd.Sum(sums);
    }

    /// <summary><c>y ← e^{x − shift}</c> for shifts that are about the largest x or above; returns the sum of y. In place is allowed.</summary>
    public static float ExpAndSum(float* x, float shift, float* y, int count)
    {
        TVector sums = TSimd.Zero;
        TVector offset = TSimd.Create(shift);
        int i = 0;
        for (; i + TSimd.Count <= count; i += TSimd.Count)
        {
            TVector power = SimdMath<TSimd, TVector>.ExpOfNegative(TSimd.Subtract(TSimd.Load(x + i), offset));
            TSimd.Store(power, y + i);
            sums = TSimd.Add(sums, power);
        }

        if (i < count)
        {
            TVector rest = TSimd.LoadPartial(x + i, count - i);
            TVector power = SimdMath<TSimd, TVector>.ExpOfNegative(TSimd.Subtract(rest, offset));
            TSimd.StorePartial(power, y + i, count - i);
            sums = TSimd.Add(sums, TSimd.Select(TSimd.First(count - i), power, TSimd.Zero));
        }

        return TSimd.Sum(sums);
    }

    /// <summary><c>y ← factor·x</c>. In place is allowed.</summary>
    public static void Scale(float* x, float factor, float* y, int count)
    {
        TVector factors = TSimd.Create(factor);
        int i = 0;
        for (; i + TSimd.Count <= count; i += TSimd.Count)
        {
            TSimd.Store(TSimd.Multiply(factors, TSimd.Load(x + i)), y + i);
        }

        if (i < count)
        {
            TSimd.StorePartial(TSimd.Multiply(factors, TSimd.LoadPartial(x + i, count - i)), y + i, count - i);
        }
    }

    /// <summary>Whether no element is NaN or infinite.</summary>
    public static bool AllFinite(float* x, int count)
    {
        TVector zeros = TSimd.Zero;
        int i = 0;
        for (; i + TSimd.Count <= count; i += TSimd.Count)
        {
            zeros = TSimd.Add(zeros, TSimd.Multiply(TSimd.Load(x + i), TSimd.Zero));
        }

        if (i < count)
        {
            zeros = TSimd.Add(zeros, TSimd.Multiply(TSimd.LoadPartial(x + i, count - i), TSimd.Zero));
        }

        return TSimd.Sum(zeros) == 0;
    }
}
