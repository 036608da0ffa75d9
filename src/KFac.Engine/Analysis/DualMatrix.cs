namespace KFac.Engine;

/// <summary>A row-major matrix of dual numbers: enough algebra to write a small network's forward pass down.</summary>
public sealed class DualMatrix
{
    private readonly Dual[] _values;

    /// <summary>Makes a matrix of zeros.</summary>
    public DualMatrix(int rows, int columns)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        ArgumentOutOfRangeException.ThrowIfNegative(columns);
        Rows = rows;
        Columns = columns;
        _values = new Dual[checked(rows * columns)];
    }

    /// <summary>Number of rows.</summary>
    public int Rows { get; }

    /// <summary>Number of columns.</summary>
    public int Columns { get; }

    /// <summary>One element.</summary>
    public Dual this[int row, int column]
    {
        get => _values[(row * Columns) + column];
        set => _values[(row * Columns) + column] = value;
    }

    /// <summary>A constant matrix.</summary>
    public static DualMatrix Constant(HostMatrix values)
    {
        ArgumentNullException.ThrowIfNull(values);
        var matrix = new DualMatrix(values.Rows, values.Columns);
        for (int i = 0; i < matrix._values.Length; i++)
        {
            matrix._values[i] = values.Values[i];
        }

        return matrix;
    }

    /// <summary>The product <c>this · right</c>.</summary>
    public DualMatrix Multiply(DualMatrix right)
    {
        ArgumentNullException.ThrowIfNull(right);
        if (right.Rows != Columns)
        {
            throw new ArgumentException($"Cannot multiply {Rows}×{Columns} by {right.Rows}×{right.Columns}.");
        }

        var product = new DualMatrix(Rows, right.Columns);
        for (int row = 0; row < Rows; row++)
        {
            for (int k = 0; k < Columns; k++)
            {
                for (int column = 0; column < right.Columns; column++)
                {
                    product[row, column] += this[row, k] * right[k, column];
                }
            }
        }

        return product;
    }

    /// <summary>The transpose.</summary>
    public DualMatrix Transpose()
    {
        var transpose = new DualMatrix(Columns, Rows);
        for (int row = 0; row < Rows; row++)
        {
            for (int column = 0; column < Columns; column++)
            {
                transpose[column, row] = this[row, column];
            }
        }

        return transpose;
    }

    /// <summary>Applies a function to every element.</summary>
    public DualMatrix Map(Func<Dual, Dual> function)
    {
        ArgumentNullException.ThrowIfNull(function);
        var result = new DualMatrix(Rows, Columns);
        for (int i = 0; i < _values.Length; i++)
        {
            result._values[i] = function(_values[i]);
        }

        return result;
    }

    /// <summary>The matrix extended by a column of ones: the input of a layer with a bias.</summary>
    public DualMatrix WithOnes()
    {
        var result = new DualMatrix(Rows, Columns + 1);
        for (int row = 0; row < Rows; row++)
        {
            for (int column = 0; column < Columns; column++)
            {
                result[row, column] = this[row, column];
            }

            result[row, Columns] = 1;
        }

        return result;
    }

    /// <summary>Copies rows <paramref name="start"/> to <paramref name="start"/> + <paramref name="count"/>.</summary>
    public DualMatrix RowRange(int start, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfGreaterThan((long)start + count, Rows, nameof(count));
        var result = new DualMatrix(count, Columns);
        Array.Copy(_values, start * Columns, result._values, 0, result._values.Length);
        return result;
    }

    /// <summary>Copies another matrix of the same width into the rows from <paramref name="start"/> on.</summary>
    public void SetRows(int start, DualMatrix rows)
    {
        ArgumentNullException.ThrowIfNull(rows);
        ArgumentOutOfRangeException.ThrowIfNotEqual(rows.Columns, Columns, nameof(rows));
        ArgumentOutOfRangeException.ThrowIfGreaterThan((long)start + rows.Rows, Rows, nameof(start));
        Array.Copy(rows._values, 0, _values, start * Columns, rows._values.Length);
    }
}
