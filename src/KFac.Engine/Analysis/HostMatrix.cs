namespace KFac.Engine;

/// <summary>A small row-major float64 matrix in host memory: what the analyses compute with.</summary>
/// <remarks>For networks small enough to be compared with their exact curvature; nothing here is meant to be fast.</remarks>
public sealed class HostMatrix
{
    private readonly double[] _values;

    /// <summary>Makes a matrix of zeros.</summary>
    public HostMatrix(int rows, int columns)
        : this(rows, columns, new double[CheckedLength(rows, columns)])
    {
    }

    private HostMatrix(int rows, int columns, double[] values)
    {
        Rows = rows;
        Columns = columns;
        _values = values;
    }

    /// <summary>Number of rows.</summary>
    public int Rows { get; }

    /// <summary>Number of columns.</summary>
    public int Columns { get; }

    /// <summary>The elements, row by row.</summary>
    public ReadOnlySpan<double> Values => _values;

    /// <summary>One element.</summary>
    public double this[int row, int column]
    {
        get => _values[Index(row, column)];
        set => _values[Index(row, column)] = value;
    }

    /// <summary>Copies row-major values.</summary>
    /// <exception cref="ArgumentException">There are not <c>rows·columns</c> of them.</exception>
    public static HostMatrix From(int rows, int columns, ReadOnlySpan<double> values)
    {
        CheckLength(rows, columns, values.Length);
        return new HostMatrix(rows, columns, values.ToArray());
    }

    /// <summary>Widens row-major float32 values, exactly.</summary>
    /// <exception cref="ArgumentException">There are not <c>rows·columns</c> of them.</exception>
    public static HostMatrix From(int rows, int columns, ReadOnlySpan<float> values)
    {
        CheckLength(rows, columns, values.Length);
        var matrix = new HostMatrix(rows, columns);
        for (int i = 0; i < values.Length; i++)
        {
            matrix._values[i] = values[i];
        }

        return matrix;
    }

    /// <summary>The identity.</summary>
    public static HostMatrix Identity(int size)
    {
        var matrix = new HostMatrix(size, size);
        for (int i = 0; i < size; i++)
        {
            matrix[i, i] = 1;
        }

        return matrix;
    }

    /// <summary>The Kronecker product <c>A ⊗ B</c>, [rows·rows, columns·columns]: block (i, j) is <c>A[i, j]·B</c>.</summary>
    public static HostMatrix Kronecker(HostMatrix a, HostMatrix b)
    {
        ArgumentNullException.ThrowIfNull(a);
        ArgumentNullException.ThrowIfNull(b);
        var product = new HostMatrix(checked(a.Rows * b.Rows), checked(a.Columns * b.Columns));
        for (int row = 0; row < product.Rows; row++)
        {
            for (int column = 0; column < product.Columns; column++)
            {
                product[row, column] =
                    a[row / b.Rows, column / b.Columns] * b[row % b.Rows, column % b.Columns];
            }
        }

        return product;
    }

    /// <summary>The matrix of absolute differences <c>|this − other|</c>.</summary>
    public HostMatrix AbsoluteDifference(HostMatrix other)
    {
        CheckSameShape(other);
        var difference = new HostMatrix(Rows, Columns);
        for (int i = 0; i < _values.Length; i++)
        {
            difference._values[i] = Math.Abs(_values[i] - other._values[i]);
        }

        return difference;
    }

    /// <summary>The Frobenius norm <c>√Σ m²</c>.</summary>
    public double FrobeniusNorm()
    {
        double sum = 0;
        foreach (double value in _values)
        {
            sum += value * value;
        }

        return Math.Sqrt(sum);
    }

    /// <summary>The largest |m|; 0 without elements, NaN when any element is.</summary>
    public double LargestMagnitude()
    {
        double largest = 0;
        foreach (double value in _values)
        {
            largest = Math.Max(largest, Math.Abs(value));
        }

        return largest;
    }

    /// <summary><c>‖this − exact‖_F / ‖exact‖_F</c>; 0 when both are zero, NaN when any element is.</summary>
    public double RelativeError(HostMatrix exact)
    {
        double difference = AbsoluteDifference(exact).FrobeniusNorm();
        return difference == 0 ? 0 : difference / exact.FrobeniusNorm();
    }

    private static int CheckedLength(int rows, int columns)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        ArgumentOutOfRangeException.ThrowIfNegative(columns);
        return checked(rows * columns);
    }

    private static void CheckLength(int rows, int columns, int given)
    {
        if (given != CheckedLength(rows, columns))
        {
            throw new ArgumentException($"A {rows}×{columns} matrix was given {given} values; wanted {(long)rows * columns}.");
        }
    }

    private void CheckSameShape(HostMatrix other)
    {
        ArgumentNullException.ThrowIfNull(other);
        if (other.Rows != Rows || other.Columns != Columns)
        {
            throw new ArgumentException($"A {Rows}×{Columns} matrix cannot be compared with a {other.Rows}×{other.Columns} one.");
        }
    }

    private int Index(int row, int column)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)row, (uint)Rows, nameof(row));
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)column, (uint)Columns, nameof(column));
        return (row * Columns) + column;
    }
}
